"""A Raspberry Shake's data cast, and where to send it."""

import socket

CAST = (
    b"{'EHZ', 1582315130.292, 14168, 14927, 16112, 17537, 18052, 17477, 15418, 13716, 15604, "
    b"17825, 19637, 20985, 17325, "
    b"10439, 11510, 17678, 20027, 20207, 18481, 15916, 13836, 13073, 14462, 17628, 19388}"
)
"""As rsudp's documentation shows it, of a Shake 1D."""


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
