"""What the files of full-field microscopes with a zone plate have in common, and what follows from it."""

from xsn_acq.config.axes import MicroscopeAxes
from xsn_acq.config.calibration import MicroscopeCalibration
from xsn_acq.config.full_field import FullField
from xsn_acq.config.parts import (
    BeamMonitor,
    CommonPrefixes,
    Detection,
    Monochromator,
    SampleGeometry,
    ZonePlate,
)
from xsn_acq.optics import zone_plate as lens
from xsn_acq.units import MM, NM, UM


class Microscope(FullField):
    """One beamline with a zone plate and a crystal monochromator: what its techniques have."""

    pvs: CommonPrefixes
    axes: MicroscopeAxes
    monochromator: Monochromator
    beam_monitor: BeamMonitor
    zone_plate: ZonePlate
    detection: Detection
    geometry: SampleGeometry
    calibration: MicroscopeCalibration

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

    def depth_of_focus_m(self, energy_ev: float) -> float:
        """Lambda / NA^2."""
        return lens.depth_of_focus_m(energy_ev, self.zone_plate.outermost_zone_width_nm * NM)

    @property
    def energy_range_ev(self) -> tuple[float, float]:
        """Lowest and highest photon energy of the monochromator."""
        return self.monochromator.energy_low_ev, self.monochromator.energy_high_ev

    def faults(self) -> list[str]:
        """What cannot be."""
        return super().faults() + (self._energy_faults() or self._focus_faults())

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
