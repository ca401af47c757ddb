"""All hardware of a microscope with structured illumination over simulated time."""

from collections.abc import Collection
from typing import Any

from xsn_acq.config import StructuredBeamline
from xsn_acq.optics.monochromator import bragg_angle_deg, second_crystal_gap_mm
from xsn_acq.sim.ioc.timeline import AxisMotion
from xsn_acq.sim.ioc.world import CrystalWorld
from xsn_acq.sim.state import StructuredState
from xsn_acq.sim.structured_truth import StructuredTruth

USUAL_EV = 9000.0
"""Above the K edge of Cu: Mn, Co and Ni shine."""
_FIELDS = {
    "bragg": "bragg_deg",
    "second_crystal_gap": "second_crystal_gap_mm",
    "second_crystal_pitch": "pitch_urad",
    "condenser_x": "condenser_x_um",
    "condenser_y": "condenser_y_um",
    "condenser_pitch": "condenser_pitch_urad",
    "condenser_yaw": "condenser_yaw_urad",
    "sandpaper_coarse_x": "coarse_x_mm",
    "sandpaper_coarse_y": "coarse_y_mm",
    "sandpaper_fine_y": "fine_y_mm",
    "pinhole_x": "pinhole_x_um",
    "pinhole_y": "pinhole_y_um",
    "zone_plate_x": "zone_plate_x_um",
    "zone_plate_y": "zone_plate_y_um",
    "zone_plate_z": "zone_plate_z_mm",
    "sample_x": "sample_x_um",
    "sample_y": "sample_y_um",
    "sample_z": "sample_z_um",
    "detector_z": "detector_z_mm",
    "vortex_x": "vortex_x_mm",
}
"""Field of `StructuredState` for each axis that counts by its place in the middle of an exposure."""


class StructuredWorld(CrystalWorld):
    """Everything starts aligned, at 9000 eV.

    Parameters
    ----------
    beamline : StructuredBeamline
    truth : StructuredTruth
        The play of the drives is looked up there.
    """

    def __init__(self, beamline: StructuredBeamline, truth: StructuredTruth) -> None:
        mono = beamline.monochromator
        bragg = bragg_angle_deg(USUAL_EV, mono.d_spacing_angstrom)
        start = dict.fromkeys(type(beamline.axes).model_fields, 0.0) | {
            "bragg": bragg,
            "second_crystal_gap": second_crystal_gap_mm(bragg, mono.beam_offset_mm),
            "second_crystal_pitch": truth.pitch_optimum_urad,
            "zone_plate_z": beamline.nominal_zone_plate_z_mm(USUAL_EV),
            "sample_x": beamline.geometry.sample_x_centre_um,
        }
        super().__init__(
            beamline, start, {"bragg": truth.bragg_play_deg, "zone_plate_z": truth.zone_plate_play_mm}
        )
        self._slipping: dict[str, float] = {}

    def hold(self, axes: Collection[str], time_s: float) -> None:
        """From now on these axes stay where they are while their motors go on; all others go with theirs."""
        self._slipping = {name: self._slipping.get(name, self.axes[name].position(time_s)) for name in axes}

    def state(self, begin_s: float, end_s: float) -> StructuredState:
        """Beam during an exposure from ``begin_s`` to ``end_s``, both in the past.

        Positions are those in the middle, but for theta and the fine sheet at both ends.
        """
        middle = 0.5 * (begin_s + end_s)
        there = self.positions(middle) | self._slipping
        places: dict[str, Any] = {field: there[axis] for axis, field in _FIELDS.items()}
        theta, fine = self.axes["sample_theta"], self.axes["sandpaper_fine_x"]
        return StructuredState(
            **places,
            **self.switches(begin_s, end_s),
            theta_start_deg=theta.position(begin_s),
            theta_end_deg=theta.position(end_s),
            fine_x_start_mm=self._sheet(fine, begin_s),
            fine_x_end_mm=self._sheet(fine, end_s),
            exposure_s=end_s - begin_s,
            sample_moves=self.axes["sample_x"].sent(middle),
        )

    def _sheet(self, fine: AxisMotion, time_s: float) -> float:
        return self._slipping.get("sandpaper_fine_x", fine.position(time_s))
