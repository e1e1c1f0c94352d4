"""PURE: P picks of three-component sensors: of the vertical, sooner where a horizontal confirms it.

An emergent P may take a second and more until it stands ``min_snr`` above the noise on the
vertical, while a horizontal is clear at once. Noise seldom makes both rise together: where a
horizontal was picked, the vertical is picked from ``TOGETHER_SNR`` on. The onset is the vertical's
own: P converted below the station comes later on horizontals.
"""

from collections.abc import Mapping, Sequence

from ew.components import is_vertical, sensor_of
from ew.detect.bank import PickerBank
from ew.records import Packet, Pick

TOGETHER_SNR = 2.0
"""SNR on the vertical where a horizontal was picked.

Alone it takes 2.5: with 2 there are nearly three times as many false picks (docs/picker.md).
"""
TOGETHER_S = 1.0
"""Largest difference of both onsets, s: converted waves follow within a second of P."""
APART_S = 10.0
"""After a pick of the vertical horizontals are not asked, s: S and coda of a P follow it."""
MAX_NOISE_RATIO = 2.5
"""Of a horizontal's pick that may be P: with more noise it is S or in a coda (docs/picker.md)."""


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
        for horizontal in found:
            if is_vertical(horizontal.seed_id, self._verticals):
                continue
            pick = self._confirmed(horizontal)
            if pick is not None:
                picks.append(pick)
                self._picked_ns[pick.seed_id] = pick.time_ns
        picks.sort(key=lambda pick: (pick.time_ns, pick.seed_id))
        return picks

    def _confirmed(self, horizontal: Pick) -> Pick | None:
        """Return the pick of the vertical that a horizontal confirms, unless picked before."""
        sensor = sensor_of(horizontal.seed_id)
        vertical = self._verticals.get(sensor, f"{sensor}Z")
        is_new = abs(horizontal.time_ns - self._picked_ns.get(vertical, 0)) > APART_S * 1e9
        if not (is_new and horizontal.noise_ratio <= MAX_NOISE_RATIO):
            return None
        return self._bank.look_again(
            vertical, horizontal, min_snr=TOGETHER_SNR, within_s=TOGETHER_S
        )
