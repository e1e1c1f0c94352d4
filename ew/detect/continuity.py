"""PURE: what a packet's start time says: does it continue its channel, follow a gap, or repeat what was there?

| the packet starts | rule | counter |
|---|---|---|
| within half a sample of the end | it continues | |
| later, by at most the LTA | bridged: filter from rest, LTA kept, no trigger for ``gap_hold_s`` | gaps_bridged |
| later, by more than the LTA | restart with warm-up | gaps_restarted |
| earlier, reaching past the end | the part already seen is cut off | overlaps |
| earlier, all seen already | dropped | duplicates |
| dropped for more than ``CLOCK_STEP_S`` of data on end | the clock was set back: restart | clock_steps |
| at a rate more than 2 % off | restart with the new rate's filter | rate_changes |
"""

CLOCK_STEP_S = 15.0
"""So much late data on end is a clock set back, not a source that catches up."""
RATE_TOLERANCE = 0.02
"""A rate fitted anew by the logger moves by less; its filter would not change audibly."""
CONTINUES_WITHIN = 0.5
"""In samples; nearer than this no sample can be missing."""
