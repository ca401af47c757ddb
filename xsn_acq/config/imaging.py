"""What a beamline's calibrations say at another energy, stage position or detector distance."""

from xsn_acq.config.beamline import Beamline
from xsn_acq.config.calibration import KnifeEdgeCalibration
from xsn_acq.units import NM, UM


def axis_on_sensor(file: Beamline, energy_ev: float, sample_x_um: float, detector_z_mm: float = 0.0) -> float:
    """Column of the rotation axis on the unbinned sensor; sample_x sits under the axis and moves it.

    The optical axis meets the middle of the sensor: at another energy or detector distance the calibrated
    column comes nearer to it or goes away as the magnification does.
    """
    calibrated, middle = file.calibration.rotation_axis, (file.detection.sensor_columns - 1) / 2
    pixel = file.pixel_size_m(energy_ev, 1, detector_z_mm)
    off_axis_m = (calibrated.column - middle) * file.pixel_size_m(calibrated.energy_ev, 1)
    off_axis_m += (sample_x_um - calibrated.sample_x_um) * UM
    return middle + off_axis_m / pixel


def detector_fwhm_m(beamline: Beamline, energy_ev: float, detector_z_mm: float = 0.0) -> float:
    """Width of the detector's blur at the sample: what it is at the scintillator over the magnification."""
    detection = beamline.detection
    there = beamline.nominal_pixel_size_m(detection.scintillator_psf_energy_ev, 1)
    here = beamline.nominal_pixel_size_m(energy_ev, 1, detector_z_mm)
    return detection.scintillator_psf_fwhm_nm * NM * here / there


def knife_edge_at(curve: KnifeEdgeCalibration, energy_ev: float) -> dict[str, list[float]]:
    """Knife-edge curve at an energy: ``frequency_per_m`` and ``transmitted``.

    The condenser's angles stay, so that its frequencies grow with the energy.
    """
    scale = energy_ev / curve.energy_ev
    return {
        "frequency_per_m": [f / UM * scale for f in curve.frequency_per_um],
        "transmitted": list(curve.transmitted),
    }
