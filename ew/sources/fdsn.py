"""SHELL: reads stations from an FDSN station web service, or any StationXML behind a URL.

The URL is the operator's whole query (FDSN Web Services 1.2, fdsnws-station):
``https://…/fdsnws/station/1/query?network=XS&channel=HN?&level=channel``. The last good answer is
kept in a file; while the service can't be reached, a restart uses it and says so.
"""

import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ew import __version__
from ew.errors import InputError
from ew.sources.inventory import Stations, parse_stationxml

log = logging.getLogger("ew.fdsn")

TIMEOUT_S = 60.0
MOST_BYTES = 256 * 1024 * 1024
"""Most bytes of an answer: a whole country at ``level=response`` is about 100 MB, at
``level=channel`` a hundredth of it."""
CHUNK_BYTES = 1 << 16
NO_CONTENT = 204


def is_url(text: str) -> bool:
    """Whether an inventory is a URL and not a file."""
    return text.startswith(("http://", "https://"))


def read_stations(
    url: str, kept: Path, *, timeout_s: float = TIMEOUT_S, most_bytes: int = MOST_BYTES
) -> Stations:
    """The channels of a station service's answer, or of the last good one, in the file ``kept``.

    Raises:
        InputError: there is neither; the message names the URL and what went wrong.
    """
    try:
        data = fetch(url, timeout_s=timeout_s, most_bytes=most_bytes)
        stations = _usable(parse_stationxml(data, url), url)
    except InputError as error:
        if not kept.is_file():
            raise
        log.warning("%s; going on with its last answer, %s", error, kept)
        return parse_stationxml(kept.read_bytes(), str(kept))
    try:
        kept.write_bytes(data)
    except OSError as error:
        log.warning("%s: can't keep the stations for the next start: %s", kept, error.strerror)
    return stations


def _usable(stations: Stations, url: str) -> Stations:
    if not stations.channels:
        first = f" ({stations.notes[0]})" if stations.notes else ""
        raise InputError(
            f"{url}: no usable channel in the answer{first}; does the query say level=channel or "
            "level=response?"
        )
    return stations


def fetch(url: str, *, timeout_s: float = TIMEOUT_S, most_bytes: int = MOST_BYTES) -> bytes:
    """The content behind a URL, within ``timeout_s`` and ``most_bytes``.

    Raises:
        InputError: it can't be fetched; the message names the URL.
    """
    # ``is_url`` lets http(s) through alone
    request = urllib.request.Request(url, headers={"User-Agent": f"ew/{__version__}"})  # noqa: S310
    deadline_s = time.monotonic() + timeout_s
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - as above
            if answer.status == NO_CONTENT:
                raise InputError(f"{url}: no station fits the query (HTTP 204)")
            return b"".join(_chunks(answer, url, deadline_s, most_bytes))
    except urllib.error.HTTPError as error:
        with error:
            body = error.read(200).decode("utf-8", "replace").strip().splitlines()[:1]
        raise InputError(f"{url}: HTTP {error.code} {error.reason} {body}") from error
    except urllib.error.URLError as error:
        raise InputError(f"{url}: can't reach it: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{url}: {error or type(error).__name__}") from error


def _chunks(
    answer: http.client.HTTPResponse, url: str, deadline_s: float, most_bytes: int
) -> Iterator[bytes]:
    total = 0
    # read1 returns what is there: with read, a server that drips would never run into the timeout
    while chunk := answer.read1(CHUNK_BYTES):
        total += len(chunk)
        if total > most_bytes:
            raise InputError(f"{url}: more than {most_bytes} bytes; ask for fewer stations")
        if time.monotonic() > deadline_s:
            raise InputError(f"{url}: not all there in time; ask for fewer stations")
        yield chunk
    if answer.length:
        raise InputError(f"{url}: the connection ended {answer.length} bytes too soon")
