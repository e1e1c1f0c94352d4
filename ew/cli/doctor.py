"""``ew doctor``: tries what a configuration names, and says what is wrong with it."""

import asyncio
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ew.config import load_config
from ew.service.doctor import examine
from ew.service.loading import load_inventory


def run_doctor(path: Path | None, seconds: float) -> int:
    """Print the findings; 1 if any is bad, else 0.

    Raises:
        ConfigError: the configuration is wrong or names no inventory.
        InputError: the inventory can't be used.
    """
    config = load_config(path)
    inventory = load_inventory(config)
    findings = asyncio.run(examine(config, inventory, seconds))
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        mark = "[green]ok   [/]" if finding.is_well else "[red]wrong[/]"
        console.print(f"{mark} {escape(finding.where)}: {escape(finding.what)}")
    bad = sum(not finding.is_well for finding in findings)
    console.print("nothing wrong found" if not bad else f"{bad} things are wrong")
    return 1 if bad else 0
