"""Where the microscope is out of its alignment: magnification, focus, and what is seen where."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xsn_acq.config import Beamline, Microscope
from xsn_acq.sim.microscope_truth import MicroscopeTruth
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.shapes import leaning
from xsn_acq.sim.source import energy_ev
from xsn_acq.sim.stage import wander_um, wobble_um
from xsn_acq.sim.state import BeamState, CameraSettings, MicroscopeState
from xsn_acq.sim.truth import Truth
from xsn_acq.units import MM, UM, wavelength_m


@dataclass(frozen=True)
class MicroscopeAlignment:
    """The microscope's geometry in one state. Positions in the sample's plane count from the optical axis."""

    beamline: Microscope
    truth: MicroscopeTruth
    state: MicroscopeState

    @cached_property
    def energy_ev(self) -> float:
        """Photon energy."""
        return energy_ev(self.beamline, self.truth, self.state)

    @cached_property
    def wavelength_m(self) -> float:
        """Wavelength."""
        return wavelength_m(self.energy_ev)

    @cached_property
    def focal_length_m(self) -> float:
        """Focal length; off the reference energy it may grow faster or slower than the file says."""
        zone_plate = self.beamline.zone_plate
        reference = zone_plate.focal_length_m(self.truth.reference_energy_ev)
        grown = zone_plate.focal_length_m(self.energy_ev) - reference
        return reference + self.truth.focus_rate_ratio * grown

    @cached_property
    def zone_plate_um(self) -> tuple[float, float]:
        """Where the zone plate is across the beam, x and y: its stage runs sideways as it goes along z."""
        truth, state = self.truth, self.state
        travel_mm = state.zone_plate_z_mm - self.beamline.nominal_zone_plate_z_mm(truth.reference_energy_ev)
        bend_um = truth.zone_plate_runout_bend_um_per_mm2 * travel_mm**2
        return (
            state.zone_plate_x_um + truth.zone_plate_runout_x_um_per_mm * travel_mm + bend_um,
            state.zone_plate_y_um + truth.zone_plate_runout_y_um_per_mm * travel_mm,
        )

    @cached_property
    def _zone_plate_m(self) -> float:
        nominal = (self.state.zone_plate_z_mm - self.beamline.zone_plate.z_at_contact_mm) * MM
        return nominal - self.truth.focus_offset_um * UM

    @cached_property
    def _image_distance_m(self) -> float:
        return self.beamline.total_length_m(self.state.detector_z_mm) - self._zone_plate_m

    @cached_property
    def defocus_m(self) -> float:
        """Distance from the sample downstream to the plane in focus: p - 1 / (1/f - 1/q)."""
        in_focus = 1 / (1 / self.focal_length_m - 1 / self._image_distance_m)
        return self._zone_plate_m - self.state.sample_z_um * UM - in_focus

    @cached_property
    def depth_of_focus_m(self) -> float:
        """Lambda / NA^2."""
        return self.wavelength_m / self.beamline.zone_plate.numerical_aperture(self.energy_ev) ** 2

    @cached_property
    def magnification(self) -> float:
        """M = q / f - 1, of light that is parallel at the sample."""
        return self._image_distance_m / self.focal_length_m - 1

    @cached_property
    def pixel_um(self) -> float:
        """Unbinned pixel at the sample."""
        detection = self.beamline.detection
        nominal = detection.camera_pixel_um / (detection.objective_magnification * self.magnification)
        return nominal * (1 + self.truth.pixel_size_error)

    @cached_property
    def area_ratio(self) -> float:
        """Area of a pixel at the sample over that at the reference energy."""
        return (self.pixel_um / self._reference_pixel_um) ** 2

    @cached_property
    def _reference_pixel_um(self) -> float:
        nominal = self.beamline.nominal_pixel_size_m(self.truth.reference_energy_ev, 1) / UM
        return nominal * (1 + self.truth.pixel_size_error)

    def x_um(self, columns: Array) -> Array:
        """Return the positions that sensor columns look at; a displaced zone plate displaces the view."""
        return self._seen(columns, self.beamline.detection.sensor_columns, self.zone_plate_um[0])

    def y_um(self, rows: Array) -> Array:
        """Return the positions that sensor rows look at."""
        return self._seen(rows, self.beamline.detection.sensor_rows, self.zone_plate_um[1])

    def _seen(self, index: Array, size: int, zone_plate_um: float) -> Array:
        shift = zone_plate_um * (1 + 1 / self.magnification)
        return (np.asarray(index, float) - (size - 1) / 2) * self.pixel_um + shift

    @property
    def home_x_um(self) -> float:
        """Reading of sample_x at which the rotation axis is on its column."""
        return self.beamline.geometry.sample_x_centre_um

    def axis_um(self, theta_deg: float) -> tuple[float, float]:
        """Return where the rotation axis and the sample's origin are, with the wobble at an angle.

        The axis of a leaning stage is this far off at the height of the origin.
        """
        detection, truth = self.beamline.detection, self.truth
        column = truth.axis_column - (detection.sensor_columns - 1) / 2
        row = truth.axis_row - (detection.sensor_rows - 1) / 2
        x = column * self._reference_pixel_um + self.state.sample_x_um - self.home_x_um
        y = row * self._reference_pixel_um + self.state.sample_y_um
        wobble, wander = wobble_um(truth, theta_deg), wander_um(truth, self.state.time_s)
        return x + wobble[0] + wander[0], y + wobble[1] + wander[1]


@dataclass(frozen=True)
class Alignment(MicroscopeAlignment):
    """That of a schlieren microscope."""

    beamline: Beamline
    truth: Truth
    state: BeamState

    @property
    def home_x_um(self) -> float:
        """As the rotation axis was found."""
        return self.beamline.calibration.rotation_axis.sample_x_um

    @cached_property
    def lean(self) -> Array:
        """Rotation (3, 3) that takes the upright to the rotation axis."""
        return leaning(math.radians(self.truth.rotation_roll_deg), math.radians(self.truth.rotation_tilt_deg))

    def cutoff_per_m(self, x_um: Array) -> Array:
        """Return the edge's frequency for points of the sample, (x_cut + x dz / f) / (lambda (f + dz)).

        In the pupil's plane (dz = 0) it is the same everywhere; off it, a shadow crosses the field.
        """
        geometry, f = self.beamline.geometry, self.focal_length_m
        edge = (self.state.cutoff_x_um - geometry.cutoff_x_zero_um - self.zone_plate_um[0]) * UM
        dz = (self.state.cutoff_z_mm - geometry.cutoff_z_pupil_mm - self.truth.pupil_offset_mm) * MM
        return (edge + np.asarray(x_um) * UM * dz / f) / (self.wavelength_m * (f + dz))


def binned_centres(camera: CameraSettings) -> tuple[Array, Array]:
    """Return the sensor columns (nx,) and rows (ny,) of the binned pixels' centres."""
    rows, columns = camera.shape
    middle = (camera.binning - 1) / 2
    return (
        camera.min_x + np.arange(columns) * camera.binning + middle,
        camera.min_y + np.arange(rows) * camera.binning + middle,
    )
