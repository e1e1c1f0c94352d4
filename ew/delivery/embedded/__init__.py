"""The embedded MQTT broker: nothing to install, MQTT 3.1.1 and 5, made for wide fan-out.

``packets`` names what MQTT speaks of, ``decode`` and ``encode`` turn bytes into packets and back; ``subscriptions`` and ``state``
hold who wants what, sessions and retained messages; none of these knows a socket. ``connection`` and ``server`` are the asyncio
protocol around them. ``python -m ew.delivery.embedded`` runs one.
"""
