"""All of the beamline's hardware over simulated time, from which the beam during any exposure follows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xsn_acq.config import Beamline, FullField
from xsn_acq.sim.ioc.timeline import AxisMotion, Steps
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.state import BeamState
from xsn_acq.sim.truth import Truth

AXIS_FIELDS = {
    "bragg": "bragg_deg",
    "second_crystal_gap": "second_crystal_gap_mm",
    "second_crystal_pitch": "pitch_urad",
    "condenser_x": "condenser_x_um",
    "condenser_y": "condenser_y_um",
    "diffuser_x": "diffuser_x_mm",
    "pinhole_x": "pinhole_x_um",
    "pinhole_y": "pinhole_y_um",
    "zone_plate_x": "zone_plate_x_um",
    "zone_plate_y": "zone_plate_y_um",
    "zone_plate_z": "zone_plate_z_mm",
    "cutoff_x": "cutoff_x_um",
    "cutoff_z": "cutoff_z_mm",
    "sample_x": "sample_x_um",
    "sample_y": "sample_y_um",
    "sample_z": "sample_z_um",
    "sample_theta": "theta_start_deg",
    "detector_z": "detector_z_mm",
}
"""Field of `BeamState` for each axis of the beamline file."""

OVERTRAVEL = 0.02
"""Hard limits lie this fraction of the range beyond the file's soft limits."""


@dataclass(frozen=True)
class RingCurrent:
    """Stored current between top-ups: I(t) = I0 exp(-(t mod period) / lifetime)."""

    nominal_ma: float
    lifetime_s: float = 36000.0
    period_s: float = 180.0

    def at(self, time_s: float) -> float:
        """Milliamperes at ``time_s``."""
        return self.nominal_ma * math.exp(-(time_s % self.period_s) / self.lifetime_s)

    def countdown(self, time_s: float) -> float:
        """Seconds to the next top-up."""
        return self.period_s - time_s % self.period_s


class CommonWorld:
    """Axes, shutters and switches of every beamline, each with its past.

    Parameters
    ----------
    beamline : FullField
        What stands where.
    start : mapping of str to float
        Where each axis of the beamline file stands at first.
    play : mapping of str to float, optional
        Play of drives, in the unit of their axis.
    """

    def __init__(
        self, beamline: FullField, start: Mapping[str, float], play: Mapping[str, float] | None = None
    ) -> None:
        self._play = dict(play or {})
        self.axes = {
            name: _axis(start[name], axis.low, axis.high)
            for name in type(beamline.axes).model_fields
            for axis in [getattr(beamline.axes, name)]
        }
        self.ring = RingCurrent(beamline.ring.nominal_current_ma)
        self.dumped = Steps(value=False)
        self.front_end_open = Steps(value=True)
        self.shutter_open = Steps(value=False)

    def current_ma(self, time_s: float) -> float:
        """Ring current at ``time_s``."""
        return 0.0 if self.dumped.at(time_s) else self.ring.at(time_s)

    def positions(self, time_s: float) -> dict[str, float]:
        """Where each axis truly is."""
        return {
            name: true_position(axis, self._play.get(name, 0.0), time_s) for name, axis in self.axes.items()
        }

    def switches(self, begin_s: float, end_s: float) -> dict[str, Any]:
        """Ring current and time at the middle; a shutter is open when it was so all the time."""
        middle = 0.5 * (begin_s + end_s)
        return {
            "ring_current_ma": self.current_ma(middle),
            "front_end_open": all(self.front_end_open.during(begin_s, end_s)),
            "shutter_open": all(self.shutter_open.during(begin_s, end_s)),
            "time_s": middle,
        }


class CrystalWorld(CommonWorld):
    """That of beamlines whose crystal monochromator has a feedback; parameters as in `CommonWorld`."""

    def __init__(
        self, beamline: FullField, start: Mapping[str, float], play: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(beamline, start, play)
        self.feedback = Steps(value=True)

    def switches(self, begin_s: float, end_s: float) -> dict[str, Any]:
        """Feedback at the middle too."""
        return super().switches(begin_s, end_s) | {"feedback_on": self.feedback.at(0.5 * (begin_s + end_s))}


class World(CrystalWorld):
    """A schlieren microscope; everything starts aligned.

    Parameters
    ----------
    beamline : Beamline
    truth : Truth, optional
        The play of the drives is looked up there.
    """

    def __init__(self, beamline: Beamline, truth: Truth | None = None) -> None:
        truth = truth or Truth()
        start = nominal_state(beamline)
        super().__init__(
            beamline,
            {name: getattr(start, field) for name, field in AXIS_FIELDS.items()},
            {"bragg": truth.bragg_play_deg, "zone_plate_z": truth.zone_plate_play_mm},
        )
        self._gap_play = truth.gap_play_mm
        undulator = beamline.undulator
        self.gap = _axis(start.gap_mm, undulator.gap_low_mm, undulator.gap_high_mm)
        self.harmonic = Steps(start.harmonic)
        self.diffuser_rotating = Steps(start.diffuser_rotating)

    def state(self, begin_s: float, end_s: float) -> BeamState:
        """Beam during an exposure from ``begin_s`` to ``end_s``, both in the past.

        Positions are those at the middle of the exposure, except theta at both ends; a shutter counts as open
        when it was open all the time.
        """
        middle = 0.5 * (begin_s + end_s)
        there = self.positions(middle)
        positions: dict[str, Any] = {AXIS_FIELDS[name]: place for name, place in there.items()}
        theta = self.axes["sample_theta"]
        positions["theta_start_deg"] = theta.position(begin_s)
        return BeamState(
            **positions,
            **self.switches(begin_s, end_s),
            theta_end_deg=theta.position(end_s),
            gap_mm=true_position(self.gap, self._gap_play, middle),
            harmonic=self.harmonic.at(middle),
            diffuser_rotating=all(self.diffuser_rotating.during(begin_s, end_s)),
        )


def true_position(axis: AxisMotion, play: float, time_s: float) -> float:
    """Return where a part is whose drive has play: the reading when it came from below."""
    return axis.position(time_s) + (play if play and axis.heading(time_s) < 0 else 0.0)


def _axis(position: float, low: float, high: float) -> AxisMotion:
    margin = OVERTRAVEL * (high - low)
    return AxisMotion(position, low - margin, high + margin)
