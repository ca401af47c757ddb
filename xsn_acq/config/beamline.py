"""The whole beamline file: the parts together, and what follows from them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.config.axes import Axes
from xsn_acq.config.base import Frozen
from xsn_acq.config.calibration import Calibration
from xsn_acq.config.parts import (
    BeamMonitor,
    Detection,
    Geometry,
    Monochromator,
    Prefixes,
    Ring,
    Undulator,
    ZonePlate,
)
from xsn_acq.optics import zone_plate as lens
from xsn_acq.units import MM, NM, UM, wavelength_m


class Beamline(Frozen):
    """One beamline: the whole file."""

    name: Annotated[str, Field(min_length=1)]
    title: str
    technique: Literal["xsn", "nxsci", "speckle"]
    pvs: Prefixes
    axes: Axes
    ring: Ring
    undulator: Undulator
    monochromator: Monochromator
    beam_monitor: BeamMonitor
    zone_plate: ZonePlate
    detection: Detection
    geometry: Geometry
    calibration: Calibration

    def total_length_m(self, detector_z_mm: float = 0.0) -> float:
        """Distance from sample to scintillator."""
        return (self.detection.sample_to_scintillator_mm + detector_z_mm) * MM

    def object_distance_m(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Sample to zone plate when in focus."""
        f = self.zone_plate.focal_length_m(energy_ev)
        return lens.object_distance_m(f, self.total_length_m(detector_z_mm))

    def magnification(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Zone-plate magnification in focus."""
        length = self.total_length_m(detector_z_mm)
        return lens.magnification(self.object_distance_m(energy_ev, detector_z_mm), length)

    def nominal_zone_plate_z_mm(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Zone-plate reading at which the sample should be in focus, from the geometry alone."""
        return self.object_distance_m(energy_ev, detector_z_mm) / MM + self.zone_plate.z_at_contact_mm

    def zone_plate_z_mm(self, energy_ev: float, detector_z_mm: float = 0.0) -> float:
        """Zone-plate reading at which the sample is in focus: geometry, corrected by the focus scans."""
        nominal = self.nominal_zone_plate_z_mm(energy_ev, detector_z_mm)
        return nominal + self.calibration.focus_offset_mm(energy_ev)

    def nominal_pixel_size_m(self, energy_ev: float, binning: int, detector_z_mm: float = 0.0) -> float:
        """Size of a binned pixel at the sample, from the geometry alone."""
        pixel = self.detection.camera_pixel_um * UM * binning
        return pixel / (self.detection.objective_magnification * self.magnification(energy_ev, detector_z_mm))

    def pixel_size_m(self, energy_ev: float, binning: int, detector_z_mm: float = 0.0) -> float:
        """Size of a binned pixel at the sample: geometry, corrected by the measured size."""
        measured = self.calibration.pixel_size
        ratio = 1.0 if measured is None else measured.ratio
        return ratio * self.nominal_pixel_size_m(energy_ev, binning, detector_z_mm)

    @property
    def cutoff_z_mm(self) -> float:
        """Reading of cutoff_z with the cutoff filter in the pupil plane: measured, else from the geometry."""
        measured = self.calibration.pupil_plane
        return self.geometry.cutoff_z_pupil_mm if measured is None else measured.cutoff_z_mm

    def depth_of_focus_m(self, energy_ev: float) -> float:
        """Lambda / NA^2."""
        return lens.depth_of_focus_m(energy_ev, self.zone_plate.outermost_zone_width_nm * NM)

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

    @model_validator(mode="after")
    def _possible(self) -> Self:
        faults = self._record_faults() + self._place_faults() + self._gap_table_faults()
        faults += self._energy_faults() or self._focus_faults()
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _record_faults(self) -> list[str]:
        """Two axes on one motor: the wrong one would move."""
        owner: dict[str, str] = {}
        faults = []
        for name in type(self.axes).model_fields:
            pv = getattr(self.axes, name).pv
            other = owner.setdefault(pv, name)
            if other != name:
                faults.append(f"axes.{name}.pv: {pv} is the motor of axes.{other} already")
        return faults

    def _place_faults(self) -> list[str]:
        """Places where nothing can be."""
        x, z, last = self.axes.sample_x, self.axes.cutoff_z, self.detection.sensor_columns - 1
        places = (
            ("geometry.sample_x_centre_um", self.geometry.sample_x_centre_um, x.low, x.high, "um"),
            ("geometry.sample_out_um", self.geometry.sample_out_um, x.low, x.high, "um"),
            ("the cutoff filter's plane", self.cutoff_z_mm, z.low, z.high, "mm"),
            ("calibration.rotation_axis.column", self.calibration.rotation_axis.column, 0.0, last, "px"),
        )
        return [
            f"{name}: {value} {unit} is outside {low} to {high} {unit}"
            for name, value, low, high, unit in places
            if not low <= value <= high
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

    def _energy_faults(self) -> list[str]:
        low, high = self.monochromator.energy_low_ev, self.monochromator.energy_high_ev
        faults = []
        if low >= high:
            faults.append(f"monochromator.energy_low_ev: {low} must be below energy_high_ev {high} eV")
        shortest = 4 * self.zone_plate.focal_length_m(high) / MM
        if shortest > self.detection.sample_to_scintillator_mm:
            found = f"{self.detection.sample_to_scintillator_mm} mm"
            faults.append(
                f"detection.sample_to_scintillator_mm: no image forms at {high} eV: "
                f"wanted more than four focal lengths, {shortest:.1f} mm, found {found}"
            )
        return faults

    def _focus_faults(self) -> list[str]:
        axis, faults = self.axes.zone_plate_z, []
        for energy in (self.monochromator.energy_low_ev, self.monochromator.energy_high_ev):
            z = self.nominal_zone_plate_z_mm(energy)
            if not axis.low <= z <= axis.high:
                limits = f"limits {axis.low} to {axis.high} mm"
                faults.append(f"axes.zone_plate_z: focus at {energy} eV needs {z:.3f} mm, {limits}")
        return faults
