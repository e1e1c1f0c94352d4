"""PURE: P onsets of three-component sensors: picked on the vertical, and sooner where a horizontal shows what is emergent there.

P of an emergent onset may take a second and more until it stands ``min_snr`` above the noise on the vertical, while a horizontal is clear at
once. Noise seldom makes both rise together, so what a horizontal was picked for counts on the vertical from ``TOGETHER_SNR`` on. The onset is the
vertical's own: P converted below the station comes later on horizontals.
"""

from collections.abc import Mapping, Sequence

from ew.components import is_vertical, sensor_of
from ew.detect.bank import PickerBank
from ew.records import Packet, Pick

TOGETHER_SNR = 2.0
"""On the vertical: alone it takes 2.5 to be no noise, and 2 makes nearly three times as many false picks (docs/picker.md)."""
TOGETHER_S = 1.0
"""Both onsets lie so close: converted waves follow within a second of P."""
APART_S = 10.0
"""What was picked on the vertical is not looked for again for so long: S and coda of a P follow it."""
CALM = 2.5
"""Unrest before a horizontal's pick up to which it may be P: above, it is S or in a coda (docs/picker.md)."""


class SensorPicker:
    """Runs all components through a bank and returns the picks of the verticals.

    ``verticals``: the vertical channel of each sensor (``ew.components``); others go by their name.
    """

    def __init__(self, bank: PickerBank, verticals: Mapping[str, str] | None = None) -> None:
        self._bank = bank
        self._verticals = verticals or {}
        self._picked_ns: dict[str, int] = {}

    def process(self, packets: Sequence[Packet]) -> list[Pick]:
        """Take in one tick's packets and return the P picks they complete, in order of onset."""
        found = self._bank.process(packets)
        picks = [pick for pick in found if is_vertical(pick.seed_id, self._verticals)]
        self._picked_ns.update((pick.seed_id, pick.time_ns) for pick in picks)
        for aside in found:
            is_upright = is_vertical(aside.seed_id, self._verticals)
            pick = None if is_upright else self._upright(aside)
            if pick is not None:
                picks.append(pick)
                self._picked_ns[pick.seed_id] = pick.time_ns
        picks.sort(key=lambda pick: (pick.time_ns, pick.seed_id))
        return picks

    def _upright(self, aside: Pick) -> Pick | None:
        """The vertical's pick of what a horizontal was picked for, if it shows there too and was not picked by itself."""
        sensor = sensor_of(aside.seed_id)
        vertical = self._verticals.get(sensor, f"{sensor}Z")
        is_new = abs(aside.time_ns - self._picked_ns.get(vertical, 0)) > APART_S * 1e9
        if not (is_new and aside.unrest <= CALM):
            return None
        return self._bank.look_again(vertical, aside, min_snr=TOGETHER_SNR, within_s=TOGETHER_S)
