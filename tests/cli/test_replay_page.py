"""The page of a replayed recording, as a process."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.obspy_event import write_event_dir


def test_replayed_recording_has_a_page_until_it_is_stopped(tmp_path: Path) -> None:
    folder = write_event_dir(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "ew", "replay", str(folder), "--web"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        text = ""
        while "page: " not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        found = re.search(r"page: (http://\S+)/", text)
        assert found is not None
        events = httpx.get(f"{found[1]}/api/v1/events").json()
        assert len(events) == 2
        assert {one["status"] for one in events} == {"exercise"}
        assert 'data-testid="playback"' in httpx.get(f"{found[1]}/").text
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()
