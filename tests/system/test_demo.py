"""The whole line over real brokers: synthetic waves in, real MQTT clients out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SBIN


@pytest.mark.parametrize("broker", ["embedded", "mosquitto"])
def test_demo_alerts_every_expected_device_in_time(broker: str, tmp_path: Path) -> None:
    import shutil  # noqa: PLC0415

    if broker == "mosquitto" and shutil.which("mosquitto", path=SBIN) is None:
        pytest.skip("mosquitto is not installed")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ew",
            "demo",
            "--speed",
            "max",
            "--phones",
            "120",
            "--tvs",
            "40",
            "--broker",
            broker,
            "--broker",
            broker,
            "--report",
            str(report),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    data = json.loads(report.read_text())
    total = data["delivery"]
    assert total["devices"] == 160
    assert total["alerted"] == total["expected"] > 100
    assert total["phone"]["alerted"] + total["tv"]["alerted"] == total["alerted"]
    assert total["lead_s"]["p50"] > 20
    assert data["score"]["false_events"] == 0
    assert data["score"]["first_alert_s"] - data["score"]["limit_s"] < 1.5
    assert data["score"]["epicentre_error_km"] < 15
    assert "Yibin" in done.stdout
