"""The records that pass between the stages: frozen, slotted, and free of behaviour.

A ``Packet`` comes in, the picker makes a ``Pick`` of it, the associator makes picks into an
``EventVersion`` with its ``Origin``. Bulk data (devices, cells, waveform state) are arrays in their
own modules.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int32]
InputUnits: TypeAlias = Literal["M/S", "M/S**2"]
Phase: TypeAlias = Literal["P", "S"]
Status: TypeAlias = Literal["actual", "exercise", "test"]
VersionKind: TypeAlias = Literal["alert", "update", "cancel"]

UNKNOWN = float("nan")


@dataclass(slots=True, eq=False)
class Packet:
    """A run of samples without a gap from one channel.

    Treat it as frozen: a frozen dataclass would take four times as long to make, and thousands are
    made each second.

    ``seed_id`` is ``NET.STA.LOC.CHA``; ``start_ns`` is the time of the first sample (ns since the
    epoch, UTC); ``sampling_rate`` is in Hz; ``samples`` is one-dimensional float32, float64 or
    int32, in counts or any unit.
    """

    seed_id: str
    start_ns: int
    sampling_rate: float
    samples: NDArray[Any]

    @property
    def end_ns(self) -> int:
        """Time of the sample that would follow the last one."""
        return self.start_ns + round(len(self.samples) * 1e9 / self.sampling_rate)


def join_consecutive(packets: Iterable[Packet]) -> list[Packet]:
    """Packets in the order given, those that go on where the one before ends joined to one."""
    runs: list[list[Packet]] = []
    for packet in packets:
        if runs and _goes_on(runs[-1][-1], packet):
            runs[-1].append(packet)
        else:
            runs.append([packet])
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _goes_on(last: Packet, packet: Packet) -> bool:
    return (
        last.seed_id == packet.seed_id
        and last.sampling_rate == packet.sampling_rate
        and last.samples.dtype == packet.samples.dtype
        and abs(packet.start_ns - last.end_ns) * packet.sampling_rate < 0.5e9
    )


def _joined(run: Sequence[Packet]) -> Packet:
    first = run[0]
    samples = np.concatenate([packet.samples for packet in run])
    return Packet(first.seed_id, first.start_ns, first.sampling_rate, samples)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's coordinates, and the meaning of its counts.

    ``gain`` is in counts per input unit (m/s for ``M/S``, m/s² for ``M/S**2``). ``dip_deg``:
    degrees down from the horizontal, ``None`` where it is not known. ``poles`` (rad/s): those that
    make a velocity sensor fall off at long periods, with a zero at 0 for each; none where it is
    flat down to 0.05 Hz. ``until_s``: end of this epoch, in epoch seconds.
    """

    seed_id: str
    latitude: float
    longitude: float
    elevation_m: float
    gain: float
    input_units: InputUnits
    dip_deg: float | None = None
    poles: tuple[complex, ...] = ()
    until_s: float = float("inf")


Inventory: TypeAlias = Mapping[str, Channel]


@dataclass(frozen=True, slots=True)
class Pick:
    """A P-wave onset found on one channel.

    ``time_ns`` is the refined onset, ``trigger_ns`` the sample at which STA/LTA crossed the
    on-threshold, ``decided_ns`` the end of the data the decision used. ``snr`` is the ratio of
    signal to noise amplitude (RMS after over RMS before the onset, band-passed). ``period_s`` is
    the predominant period and ``amplitude`` the peak of the band-passed signal up to
    ``decided_ns``, in the unit of the samples. ``onset_error_s`` is the picker's estimate of the
    onset's standard error. ``noise_ratio`` is the RMS of the 3 s before the onset over that of the
    quietest second of the 20 s before: 1.0-1.8 in noise, more where another wave came just before,
    as under S and in coda. A measure that is not known is ``UNKNOWN`` (NaN); picks that both lack
    it compare equal.
    """

    seed_id: str
    time_ns: int
    trigger_ns: int
    snr: float
    decided_ns: int = 0
    period_s: float = UNKNOWN
    amplitude: float = UNKNOWN
    onset_error_s: float = 0.1
    noise_ratio: float = UNKNOWN

    def __eq__(self, other: object) -> bool:
        """Compare field by field; two unknown values are equal."""
        if not isinstance(other, Pick):
            return NotImplemented
        pairs = ((getattr(self, name), getattr(other, name)) for name in Pick.__slots__)
        return all(a == b or (a != a and b != b) for a, b in pairs)  # noqa: PLR0124 - NaN alone

    def __hash__(self) -> int:
        """Hash the channel and the times, which are always known."""
        return hash((self.seed_id, self.time_ns, self.trigger_ns))


@dataclass(frozen=True, slots=True)
class Origin:
    """A hypocentre with origin time and magnitude, and their standard deviations.

    ``time_s`` is in epoch seconds; angles in degrees; an unknown uncertainty is NaN.
    """

    time_s: float
    latitude: float
    longitude: float
    depth_km: float
    magnitude: float
    time_error_s: float = UNKNOWN
    horizontal_error_km: float = UNKNOWN
    depth_error_km: float = UNKNOWN
    magnitude_error: float = UNKNOWN


@dataclass(frozen=True, slots=True)
class Arrival:
    """A pick in an event: phase, distance, residual (observed minus predicted) and weight 0-1."""

    pick: Pick
    phase: Phase
    distance_km: float
    residual_s: float
    weight: float


@dataclass(frozen=True, slots=True)
class StationMagnitude:
    """One station's magnitude from peak displacement ``pd_m`` in ``window_s`` seconds after P.

    ``tau_c_s``: predominant period of the first seconds, NaN where it is not known or not clear of
    the noise.
    """

    seed_id: str
    magnitude: float
    pd_m: float
    window_s: float
    weight: float = 1.0
    tau_c_s: float = UNKNOWN


@dataclass(frozen=True, slots=True)
class StationMotion:
    """Peak ground motion at a station since P: acceleration (m/s²) and velocity (m/s).

    ``pgd_m``: peak horizontal displacement above 0.075 Hz (m), 0 where it is not clear of the
    noise.
    """

    seed_id: str
    latitude: float
    longitude: float
    pga_m_s2: float
    pgv_m_s: float
    pgd_m: float = 0.0


@dataclass(frozen=True, slots=True)
class EventVersion:
    """The state of one earthquake at ``issued_s`` (epoch seconds); versions count from 1."""

    event_id: str
    version: int
    kind: VersionKind
    issued_s: float
    origin: Origin
    stations: int
    arrivals: tuple[Arrival, ...] = ()
    station_magnitudes: tuple[StationMagnitude, ...] = ()
    source: str = "ew"
    motions: tuple[StationMotion, ...] = ()
