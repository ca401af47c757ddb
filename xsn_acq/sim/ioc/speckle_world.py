"""All hardware of a beamline for speckle microtomography over simulated time."""

from typing import Any

from xsn_acq.config import SpeckleBeamline
from xsn_acq.sim.ioc.world import CommonWorld
from xsn_acq.sim.state import SpeckleState

USUAL_EV = 10_000.0
_FIELDS = {
    "multilayer_1": "multilayer_1_deg",
    "multilayer_2": "multilayer_2_deg",
    "diffuser_x": "diffuser_x_mm",
    "diffuser_y": "diffuser_y_mm",
    "sample_x": "sample_x_um",
    "sample_y": "sample_y_um",
    "sample_z": "sample_z_um",
}
"""Field of `SpeckleState` for each axis that counts by its place in the middle of an exposure."""


class SpeckleWorld(CommonWorld):
    """Everything starts aligned, at 10 keV, the diffuser in the beam.

    Parameters
    ----------
    beamline : SpeckleBeamline
    began_s : float
        Simulated epoch time of the start.
    """

    def __init__(self, beamline: SpeckleBeamline, began_s: float) -> None:
        pitch = beamline.multilayer.pitch_deg(USUAL_EV)
        start = dict.fromkeys(type(beamline.axes).model_fields, 0.0) | {
            "multilayer_1": pitch,
            "multilayer_2": pitch,
            "sample_x": beamline.geometry.sample_x_centre_um,
        }
        super().__init__(beamline, start)
        self._began_s = began_s

    def state(self, begin_s: float, end_s: float) -> SpeckleState:
        """Beam during an exposure from ``begin_s`` to ``end_s``, both in the past.

        Positions are those in the middle, but for theta at both ends.
        """
        middle = 0.5 * (begin_s + end_s)
        there = self.positions(middle)
        places: dict[str, Any] = {field: there[axis] for axis, field in _FIELDS.items()}
        theta = self.axes["sample_theta"]
        return SpeckleState(
            **places,
            **self.switches(begin_s, end_s),
            theta_start_deg=theta.position(begin_s),
            theta_end_deg=theta.position(end_s),
            age_s=middle - self._began_s,
        )
