"""A pipeline that fails ends the process at once, with the exit code by which the supervisor starts
it again."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from ew.cli.serve import PIPELINE_FAILED
from simulators.network import shifted
from simulators.seedlink import SeedLinkServer
from tests.serving import play
from tests.system.test_serve import write_config

FAILING = """
import sys
from pathlib import Path
from ew.cli.serve import run_serve
from ew.detect.bank import PickerBank
def fail(self, packets):
    raise ZeroDivisionError("the pipeline fails")
PickerBank.process = fail
run_serve(Path(sys.argv[1]))
"""


async def test_a_failing_pipeline_ends_the_process_with_its_own_code(tmp_path: Path) -> None:
    chosen = play()
    async with SeedLinkServer() as seedlink:
        config = write_config(tmp_path, chosen, seedlink.port)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", FAILING, str(config)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            packets = shifted(chosen.packets(0.5), time.time_ns())
            playing = asyncio.create_task(seedlink.play(packets, speed=1.0))
            async with asyncio.timeout(60):
                _, said = await process.communicate()
            playing.cancel()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == PIPELINE_FAILED
    assert b"the pipeline fails" in said
