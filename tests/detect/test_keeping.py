"""What a channel's history holds, after packets of any length have gone into it by whole lines and in pieces."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ew import Packet, PickerBank
from ew.detect import layout
from ew.detect.keeping import settle

LONGEST = 300
CHANNELS = 11


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.float32, np.int32]),
    st.sampled_from([12, 40, 150, LONGEST]),
    st.booleans(),
)
def test_the_history_holds_the_last_samples_however_they_came(
    seed: int, form: type, longest: int, are_alike: bool
) -> None:
    rng = np.random.default_rng(seed)
    waves = (rng.normal(size=(CHANNELS, 9000)) * 1e4).astype(form)
    loud = rng.integers(0, 8500)
    waves[3, loud : loud + 100] *= 30  # triggers, and goes the long way
    bank, at = PickerBank(), np.zeros(CHANNELS, np.int64)
    while at.max() + longest < 9000:
        lengths = rng.integers(1, longest + 1, 1 if are_alike else CHANNELS)
        ends = at + lengths
        bank.process(
            [
                Packet(f"XX.{c}..HHZ", int(at[c]) * 10**7, 100.0, waves[c, at[c] : ends[c]])
                for c in range(CHANNELS)
            ]
        )
        at = ends
    for c in range(CHANNELS):
        settle(c, bank._state)
        last = np.arange(max(0, at[c] - layout.HISTORY + layout.TAIL), at[c])
        held = bank._state.raw[c].view(form)[last % layout.HISTORY]
        np.testing.assert_array_equal(held, waves[c, last])
    assert at.min() > layout.HISTORY or longest < LONGEST
