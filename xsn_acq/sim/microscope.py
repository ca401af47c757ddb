"""From the state of the beamline to a camera frame."""

import math

import numpy as np
from numpy.typing import NDArray

from xsn_acq.config import Beamline
from xsn_acq.sim import detector, illumination, imaging
from xsn_acq.sim.alignment import Alignment, binned_centres
from xsn_acq.sim.phantoms import Phantom
from xsn_acq.sim.pooling import Array, pooled
from xsn_acq.sim.source import flux
from xsn_acq.sim.state import BeamState, CameraSettings
from xsn_acq.sim.truth import Truth
from xsn_acq.units import NM, UM

_MOST_ANGLES = 8


class Microscope:
    """A full-field schlieren microscope with a sample in it. Same state, camera and frame number: same frame.

    Parameters
    ----------
    beamline : Beamline
        The instrument.
    phantom : Phantom
        The sample on the rotation stage.
    truth : Truth, optional
        What the beamline file does not know.
    seed : int
        Of the noise.
    """

    def __init__(
        self, beamline: Beamline, phantom: Phantom, truth: Truth | None = None, seed: int = 0
    ) -> None:
        self.beamline = beamline
        self.phantom = phantom
        self.truth = truth or Truth()
        self.seed = seed

    def photons(self, state: BeamState, camera: CameraSettings) -> NDArray[np.float32]:
        """Return the expected photons in each binned pixel, (ny, nx): what a frame is without noise."""
        light = flux(self.beamline, self.truth, state)
        if light <= 0 or camera.exposure_s <= 0:
            return np.zeros(camera.shape, np.float32)
        alignment = Alignment(self.beamline, self.truth, state)
        columns, rows = binned_centres(camera)
        x, y = alignment.x_um(columns), alignment.y_um(rows)
        image = self._through_pupil(alignment, camera, x)
        image += np.float32(self.truth.stray_light + self._third_harmonic(alignment, camera))
        image *= illumination.outline(self.beamline, self.truth, state, x, y)
        pattern = illumination.speckle(self.truth, state, x, y)
        if pattern is not None:
            image *= pattern
        image *= detector.response(self.truth, camera)
        rate = light * self.truth.photons_per_pixel_s * alignment.area_ratio
        image *= np.float32(rate * camera.exposure_s * camera.binning**2)
        return image

    def expected(self, state: BeamState, camera: CameraSettings) -> NDArray[np.float32]:
        """Return the expected frame in ADU, (ny, nx): pedestal and gain, no noise, no saturation."""
        mode = self.truth.modes[camera.readout_port]
        return self.photons(state, camera) * np.float32(mode.gain_adu) + np.float32(mode.offset_adu)

    def frame(
        self, state: BeamState, camera: CameraSettings, frame_number: int
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return a frame as the camera delivers it, (ny, nx); uint8 from a port of 8 bits, else uint16.

        Parameters
        ----------
        state : BeamState
            ``theta_start_deg`` to ``theta_end_deg`` is the turn during the exposure.
        camera : CameraSettings
        frame_number : int
            Seeds the noise together with the microscope's own seed.
        """
        rng = np.random.default_rng((self.seed, frame_number))
        return detector.digitised(self.photons(state, camera), self.truth, camera, rng)

    def _through_pupil(
        self, alignment: Alignment, camera: CameraSettings, x_um: Array
    ) -> NDArray[np.float32]:
        """Return the fraction of light in each binned pixel: the background, and the sample's image in it."""
        edge = illumination.knife_edge(self.beamline, self.truth, alignment.state, alignment.energy_ev)
        passing = edge(alignment.cutoff_per_m(x_um))
        if self.beamline.geometry.cutoff_passes == "negative":
            passing = 1 - passing
        image = np.empty(camera.shape, np.float32)
        image[:] = passing
        middle = 0.5 * (alignment.state.theta_start_deg + alignment.state.theta_end_deg)
        view = imaging.grid(alignment, camera, self.phantom, middle)
        if view is not None:
            fine = self._blurred(alignment, view, edge, self._angles_deg(alignment, camera))
            image[view.rows, view.columns] = pooled(view.trimmed(fine), view.parts)
        return image

    def _third_harmonic(self, alignment: Alignment, camera: CameraSettings) -> float:
        """Return the light of the Si(333) reflection in each pixel, over the first order's without sample."""
        fraction = self.truth.harmonic_contamination
        if not fraction:
            return 0.0
        return fraction / (1 - fraction) * imaging.harmonic_transmission(self.phantom, alignment, camera)

    def _blurred(
        self, alignment: Alignment, view: imaging.Grid, edge: illumination.KnifeEdge, angles_deg: Array
    ) -> Array:
        """Return the image on the fine grid, averaged over the angles, behind the scintillator."""
        total: Array = np.zeros((view.y_um.size, view.x_um.size), np.float32)
        for theta in angles_deg:
            field = imaging.transmission(self.phantom, alignment, view, float(theta))
            total += imaging.intensity(alignment, edge, view, field)
        total /= np.float32(angles_deg.size)
        fwhm = self.beamline.detection.scintillator_psf_fwhm_nm * NM / UM * math.sqrt(alignment.area_ratio)
        return detector.blur(total, view.pixel_um, fwhm, self.truth)

    def _angles_deg(self, alignment: Alignment, camera: CameraSettings) -> Array:
        """Return the angles that stand for the turn: the rim moves under half a binned pixel between two."""
        begin, end = alignment.state.theta_start_deg, alignment.state.theta_end_deg
        rim = self.phantom.reach_um * math.radians(abs(end - begin))
        steps = math.ceil(rim / (0.5 * camera.binning * alignment.pixel_um))
        steps = min(max(steps, 1), _MOST_ANGLES)
        angles: Array = begin + (end - begin) * (np.arange(steps) + 0.5) / steps
        return angles
