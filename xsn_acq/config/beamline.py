"""The beamline file of a schlieren microscope: the parts together, and what follows from them."""

from typing import Literal

from xsn_acq.config.axes import Axes
from xsn_acq.config.calibration import Calibration
from xsn_acq.config.full_field import Place
from xsn_acq.config.microscope import Microscope
from xsn_acq.config.parts import Geometry, Prefixes, Undulator
from xsn_acq.units import MM, UM, wavelength_m


class Beamline(Microscope):
    """One beamline for X-ray schlieren nanotomography: the whole file."""

    technique: Literal["xsn"]
    pvs: Prefixes
    axes: Axes
    undulator: Undulator
    geometry: Geometry
    calibration: Calibration

    @property
    def cutoff_z_mm(self) -> float:
        """Reading of cutoff_z with the cutoff filter in the pupil plane: measured, else from the geometry."""
        measured = self.calibration.pupil_plane
        return self.geometry.cutoff_z_pupil_mm if measured is None else measured.cutoff_z_mm

    def cutoff_depth_mm(self, energy_ev: float) -> float:
        """Distance from the pupil plane at which the edge runs across all of the illumination in one field.

        A ray from x at the sample meets the plane at dz behind the pupil displaced by x dz / f: over a field
        of the pinhole's diameter the edge runs by diameter dz / f, and the illumination is w wide in the
        pupil. So w f / diameter.
        """
        curve, f = self.calibration.knife_edge, self.zone_plate.focal_length_m(energy_ev)
        width_per_um = (curve.frequency_per_um[-1] - curve.frequency_per_um[0]) * energy_ev / curve.energy_ev
        width_m = width_per_um / UM * wavelength_m(energy_ev) * f
        return width_m * f / (self.geometry.pinhole_diameter_um * UM) / MM

    def cutoff_frequency_per_m(self, cutoff_x_um: float, energy_ev: float) -> float:
        """Spatial frequency of the cutoff edge, (x - x0) / (lambda f), cycles per metre (paper, Eq. 6)."""
        scale = wavelength_m(energy_ev) * self.zone_plate.focal_length_m(energy_ev)
        return (cutoff_x_um - self.geometry.cutoff_x_zero_um) * UM / scale

    def faults(self) -> list[str]:
        """What cannot be."""
        return super().faults() + self._gap_table_faults()

    def places(self) -> list[Place]:
        """The cutoff filter's plane and the rotation axis too."""
        z, last = self.axes.cutoff_z, self.detection.sensor_columns - 1
        return [
            *super().places(),
            ("the cutoff filter's plane", self.cutoff_z_mm, z.low, z.high, "mm"),
            ("calibration.rotation_axis.column", self.calibration.rotation_axis.column, 0.0, last, "px"),
        ]

    def _gap_table_faults(self) -> list[str]:
        """Entries whose energy their harmonic does not have at any gap."""
        faults = []
        for index, entry in enumerate(self.calibration.gap):
            try:
                self.undulator.gap_mm(entry.energy_ev, entry.harmonic, self.ring.energy_gev)
            except ValueError as error:
                faults.append(f"calibration.gap.{index}: {error}")
        return faults
