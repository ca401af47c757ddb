"""From the state of the beamline to a camera frame: a sample before a diffuser."""

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xsn_acq.config import SpeckleBeamline
from xsn_acq.sim import detector
from xsn_acq.sim.alignment import binned_centres
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sample import Phantom
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import (
    FineGrid,
    Projected,
    SpeckleOptics,
    detected,
    fine_grid,
    mean_intensity,
)
from xsn_acq.sim.speckle_light import beam, energy_ev, outline
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.sim.stage import wander_um, wobble_um
from xsn_acq.sim.state import CameraSettings, SpeckleState
from xsn_acq.units import MM, UM

_MOST_ANGLES = 8
_BLOCK = 640
"""A frame is made in parts of at most so many pixels along each side: memory stays bounded."""
_SEES_BEYOND_UM = 30.0
"""A sample that is further outside the frame does not show in it."""


class SpeckleMicroscope:
    """A beamline with a sample and a diffuser. Same state, camera and frame number: same frame.

    Parameters
    ----------
    beamline : SpeckleBeamline
        The instrument.
    phantom : Phantom
        The sample on the rotation stage.
    truth : SpeckleTruth, optional
        What the beamline file does not know.
    seed : int
        Of the noise.
    """

    def __init__(
        self,
        beamline: SpeckleBeamline,
        phantom: Phantom,
        truth: SpeckleTruth | None = None,
        seed: int = 0,
    ) -> None:
        self.beamline, self.phantom, self.seed = beamline, phantom, seed
        self.truth = truth or SpeckleTruth()
        file = beamline.diffuser
        self.diffuser = SandpaperDiffuser(
            formula=file.material,
            density_g_cm3=file.density_g_cm3,
            grain_um=file.grain_um,
            layers=file.layers,
            coverage=self.truth.coverage,
            width_mm=file.width_mm,
            height_mm=file.height_mm,
            seed=self.truth.seed,
        )

    def photons(self, state: SpeckleState, camera: CameraSettings) -> NDArray[np.float32]:
        """Return the expected photons in each binned pixel, (ny, nx): what a frame is without noise."""
        image = np.zeros(camera.shape, np.float32)
        light = beam(self.beamline, self.truth, state) if state.shutter_open else 0.0
        columns, rows = binned_centres(camera)
        if light > 0 and camera.exposure_s > 0:
            x, y = self._x_um(columns), self._y_um(rows)
            for down, right in _blocks(camera.shape):
                image[down, right] = self._relative(state, camera, x[right], y[down])
            image *= outline(self.truth, state.time_s, x, y)
            image *= detector.response(self.truth, camera)
            pixels = camera.binning**2
            image *= np.float32(light * self.truth.photons_per_pixel_s * camera.exposure_s * pixels)
        return self._with_defects(image, camera)

    def frame(
        self, state: SpeckleState, camera: CameraSettings, frame_number: int
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return a frame as the camera delivers it, (ny, nx); its number seeds the noise."""
        rng = np.random.default_rng((self.seed, frame_number))
        return detector.digitised(self.photons(state, camera), self.truth, camera, rng)

    def _relative(self, state: SpeckleState, camera: CameraSettings, x: Array, y: Array) -> Array:
        """Light over that of the bare beam, mean over the turn."""
        optics = self._optics(state)
        grid = fine_grid(optics, x, y)
        diffuser = self._diffuser(state, grid)
        samples = [self._sample(state, grid, float(theta)) for theta in self._angles_deg(state, camera)]
        if not any(samples):
            if diffuser is None:
                return np.ones(grid.shape, np.float32)
            samples = [None]
        return detected(optics, grid, mean_intensity(optics, grid, samples, diffuser))

    def _optics(self, state: SpeckleState) -> SpeckleOptics:
        energy = round(energy_ev(self.beamline, state), 1)
        return self.truth.optics(self.beamline, energy, state.sample_z_um)

    def _diffuser(self, state: SpeckleState, grid: FineGrid) -> Projected | None:
        """The sheets, unless the whole grid looks past them."""
        at = self._diffuser_um(state)
        for axis, middle, size_mm in (
            (grid.x_um, at[0], self.diffuser.width_mm),
            (grid.y_um, at[1], self.diffuser.height_mm),
        ):
            half_um = 0.5 * size_mm * MM / UM
            if axis[0] > middle + half_um or axis[-1] < middle - half_um:
                return None
        energy = energy_ev(self.beamline, state)
        return lambda x, y: self.diffuser.projected(round(energy, 1), x, y, at)

    def _diffuser_um(self, state: SpeckleState) -> tuple[float, float]:
        """Where the holder's origin is, in steps of 10 nm."""
        hours = state.age_s / 3600
        x = state.diffuser_x_mm * MM / UM + self.truth.diffuser_drift_x_um_per_h * hours
        y = state.diffuser_y_mm * MM / UM + self.truth.diffuser_drift_y_um_per_h * hours
        return round(x, 2), round(y, 2)

    def _sample(self, state: SpeckleState, grid: FineGrid, theta_deg: float) -> Projected | None:
        """The sample at an angle, unless it is out of the beam."""
        at_x, at_y = self._axis_um(state, theta_deg)
        low, high = self.phantom.span_y_um
        reach = self.phantom.reach_um + _SEES_BEYOND_UM
        beside = at_x + reach < grid.x_um[0] or at_x - reach > grid.x_um[-1]
        above = at_y + low - _SEES_BEYOND_UM > grid.y_um[-1] or at_y + high + _SEES_BEYOND_UM < grid.y_um[0]
        if not self.phantom.shapes or beside or above:
            return None
        energy = round(energy_ev(self.beamline, state), 1)
        return lambda x, y: self.phantom.projection(energy, theta_deg, x - at_x, y - at_y)

    def _axis_um(self, state: SpeckleState, theta_deg: float) -> tuple[float, float]:
        """Where the rotation axis and the sample's origin are."""
        truth = self.truth
        wobble, wander = wobble_um(truth, theta_deg), wander_um(truth, state.time_s)
        x = self._x_um(np.array(truth.axis_column)) + state.sample_x_um
        x -= self.beamline.calibration.rotation_axis.sample_x_um
        y = self._y_um(np.array(truth.axis_row)) + state.sample_y_um
        return float(x) + wobble[0] + wander[0], float(y) + wobble[1] + wander[1]

    def _angles_deg(self, state: SpeckleState, camera: CameraSettings) -> Array:
        """Angles that stand for the turn: from one to the next the rim moves less than a binned pixel.

        One, or an even number: they take turns with the two energies of the band.
        """
        begin, end = state.theta_start_deg, state.theta_end_deg
        rim = self.phantom.reach_um * math.radians(abs(end - begin))
        steps = min(max(math.ceil(rim / (camera.binning * self._pixel_um)), 1), _MOST_ANGLES)
        steps += steps % 2 if steps > 1 else 0
        angles: Array = begin + (end - begin) * (np.arange(steps) + 0.5) / steps
        return angles

    @property
    def _pixel_um(self) -> float:
        return self.beamline.nominal_pixel_size_m(1) / UM * (1 + self.truth.pixel_size_error)

    def _x_um(self, columns: Array) -> Array:
        middle = (self.beamline.detection.sensor_columns - 1) / 2
        return (np.asarray(columns, float) - middle) * self._pixel_um

    def _y_um(self, rows: Array) -> Array:
        middle = (self.beamline.detection.sensor_rows - 1) / 2
        return (np.asarray(rows, float) - middle) * self._pixel_um

    def _with_defects(self, image: NDArray[np.float32], camera: CameraSettings) -> NDArray[np.float32]:
        """Pixels that see nothing, and pixels that count without light; any of a binned one spoils it."""
        detection = self.beamline.detection
        shape = (detection.sensor_rows, detection.sensor_columns)
        dead, hot = _defects(self.truth.seed, self.truth.dead_fraction, self.truth.hot_fraction, shape)
        image[_binned(dead, camera)] = 0
        image[_binned(hot, camera)] += np.float32(self.truth.hot_per_s * camera.exposure_s)
        return image


def _blocks(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Parts of a frame, of about the same size."""
    rows, columns = (np.linspace(0, n, -(-n // _BLOCK) + 1).astype(int) for n in shape)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield slice(int(top), int(bottom)), slice(int(left), int(right))


@lru_cache(maxsize=2)
def _defects(
    seed: int, dead: float, hot: float, shape: tuple[int, int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pixels of the sensor see nothing, and which count without light."""
    chance = np.random.default_rng((seed, 6)).random(shape, dtype=np.float32)
    return chance < dead, chance > 1 - hot


def _binned(pixels: NDArray[np.bool_], camera: CameraSettings) -> NDArray[np.bool_]:
    """Binned pixels (ny, nx) of the region that hold one of ``pixels``."""
    (ny, nx), n = camera.shape, camera.binning
    region = pixels[camera.min_y : camera.min_y + ny * n, camera.min_x : camera.min_x + nx * n]
    return np.asarray(region.reshape(ny, n, nx, n).any(axis=(1, 3)))
