"""The terminal view of ``ew demo``: the earthquake, alerted devices, each city's seconds left."""

from dataclasses import dataclass, field

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ew.records import EventVersion
from ew.times import iso_from_seconds

VERSIONS_SHOWN = 6


@dataclass(slots=True)
class CityView:
    """One city: the arrival of S (epoch seconds) and its intensity, once they are known."""

    name: str
    latitude: float
    longitude: float
    s_arrival_s: float | None = None
    intensity: float = 0.0
    first_lead_s: float | None = None


@dataclass(slots=True)
class DemoView:
    """Everything the view shows; the demo changes it, ``render`` draws it."""

    title: str
    origin_s: float
    now_s: float
    cities: list[CityView]
    stations: int = 0
    picks: int = 0
    versions: list[EventVersion] = field(default_factory=list)
    alerted: dict[str, int] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)
    topics: dict[str, list[str]] = field(default_factory=dict)  # of each kind's devices
    shown: dict[str, dict[str, int]] = field(default_factory=dict)  # counts the page has

    def render(self) -> Group:
        """The view as rich draws it."""
        return Group(self._header(), self._versions(), self._cities(), self._devices())

    def _header(self) -> Panel:
        since = self.now_s - self.origin_s
        moment = f"{since:+.1f} s from the origin" if since > -60 else "warming up on noise"
        text = Text.assemble(
            (iso_from_seconds(self.now_s)[:21], "bold"),
            f"  {moment}   {self.stations} stations, {self.picks} picks",
        )
        return Panel(text, title=f"[bold]{self.title}[/]  [black on yellow] EXERCISE [/]")

    def _versions(self) -> Table:
        table = Table(title="Event", title_justify="left", expand=True)
        for heading in (
            "version",
            "after origin",
            "M",
            "latitude",
            "longitude",
            "depth km",
            "stations",
        ):
            table.add_column(heading, justify="right")
        for version in self.versions[-VERSIONS_SHOWN:]:
            origin = version.origin
            table.add_row(
                str(version.version),
                f"{version.issued_s - self.origin_s:.1f} s",
                f"{origin.magnitude:.1f}",
                f"{origin.latitude:.2f}",
                f"{origin.longitude:.2f}",
                f"{origin.depth_km:.0f}",
                str(version.stations),
            )
        return table

    def _cities(self) -> Table:
        table = Table(title="S-wave in", title_justify="left", expand=True)
        table.add_column("city")
        table.add_column("countdown", justify="right")
        table.add_column("intensity", justify="right")
        for city in self.cities:
            table.add_row(
                city.name, self._countdown(city), f"{city.intensity:.1f}" if city.intensity else ""
            )
        return table

    def _countdown(self, city: CityView) -> Text:
        if city.s_arrival_s is None:
            return Text("-", style="dim")
        left = city.s_arrival_s - self.now_s
        return (
            Text(f"{left:.0f} s", style="bold yellow")
            if left > 0
            else Text("shaking", style="bold red")
        )

    def _devices(self) -> Panel:
        parts = [
            f"{kind}: [bold]{self.alerted.get(kind, 0)}[/] alerted of {count}"
            for kind, count in self.devices.items()
        ]
        return Panel("   ".join(parts), title="Devices")
