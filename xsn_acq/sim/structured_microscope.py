"""From the state of the beamline to a camera frame and a fluorescence spectrum, in structured light."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from xsn_acq.config import StructuredBeamline
from xsn_acq.optics.xspress3 import CLOCK_HZ
from xsn_acq.sim import detector
from xsn_acq.sim.alignment import MicroscopeAlignment, binned_centres
from xsn_acq.sim.cathodes import areal_density
from xsn_acq.sim.fluorescence import Fluorescence, Sample, fluorescence
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.sample import Phantom
from xsn_acq.sim.shapes import AIR
from xsn_acq.sim.source import beam_height_um, wiggler_beam
from xsn_acq.sim.spectrometer import Electronics, counted
from xsn_acq.sim.state import CameraSettings, StructuredState
from xsn_acq.sim.structured_imaging import TransmissionOptics, structured_image
from xsn_acq.sim.structured_light import LightPlaces, StructuredLight
from xsn_acq.sim.structured_truth import StructuredTruth
from xsn_acq.units import MM, NM, UM

_OF_AIR = "N"
_YIELD_STEP_UM = 0.05
"""Grid on which the sample shines."""
_YIELD_MARGIN_UM = 1.0
_IN_BEAM_UM = 0.5
"""A sample no further from the axis meets the same light as what stands around."""
_MOST_PLACES = 8
_PLACE_GRAINS = 0.25
"""A sheet that moves is looked at in places so far apart, in grains of it, at most so many."""


class StructuredMicroscope:
    """A microscope with structured light and a sample in it. Same state and number: same frame and spectrum.

    Parameters
    ----------
    beamline : StructuredBeamline
        The instrument.
    phantom : Phantom
        The sample on the rotation stage.
    truth : StructuredTruth, optional
        What the beamline file does not know.
    seed : int
        Of the noise.
    """

    def __init__(
        self,
        beamline: StructuredBeamline,
        phantom: Phantom,
        truth: StructuredTruth | None = None,
        seed: int = 0,
    ) -> None:
        self.beamline, self.phantom, self.seed = beamline, phantom, seed
        self.truth = truth or StructuredTruth()
        self._light = StructuredLight(
            beamline.sandpaper_coarse.grain_um,
            beamline.sandpaper_fine.grain_um,
            beamline.geometry.pinhole_diameter_um,
            self.truth.light,
        )
        dead_s = beamline.vortex.dead_time_s
        self._electronics = Electronics(self.truth.dead_time_ratio * dead_s, dead_s * CLOCK_HZ - 1)
        self._shining = lru_cache(maxsize=4)(self._made_to_shine)

    def prepare(self, state: StructuredState) -> None:
        """Make what frames and spectra have in common: grains, propagators, what the sample sends."""
        self.arriving(replace(state, shutter_open=True, front_end_open=True))

    def photons(self, state: StructuredState, camera: CameraSettings) -> NDArray[np.float32]:
        """Return the expected photons in each binned pixel, (ny, nx): what a frame is without noise."""
        light = self._brightness(state)
        if light <= 0 or camera.exposure_s <= 0:
            return np.zeros(camera.shape, np.float32)
        alignment = MicroscopeAlignment(self.beamline, self.truth, state)
        columns, rows = binned_centres(camera)
        theta_deg = 0.5 * (state.theta_start_deg + state.theta_end_deg)
        image = structured_image(
            self._optics(alignment, camera, light),
            lambda x, y: self.illumination(state, x, y),
            self.phantom,
            alignment.x_um(columns),
            alignment.y_um(rows),
            camera.exposure_s,
            theta_deg=theta_deg,
            sample_um=self._sample_um(alignment, theta_deg),
            displaced_um=self._displaced_um(state, 6, self.truth.pattern_shift_nm),
        )
        image *= detector.response(self.truth, camera)
        return image

    def frame(
        self, state: StructuredState, camera: CameraSettings, frame_number: int
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return a frame as the camera delivers it, (ny, nx); its number seeds the noise."""
        rng = np.random.default_rng((self.seed, frame_number))
        return detector.digitised(self.photons(state, camera), self.truth, camera, rng)

    def spectrum(
        self, state: StructuredState, number: int, times: float = 1.0
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """Return counts (1, bins) and scalers (11,) of an exposure; its number seeds the chance.

        So many ``times`` as many photons as usual reach the detector.
        """
        rng = np.random.default_rng((self.seed, number, 8))
        vortex = self.beamline.vortex
        found = counted(
            times * self.arriving(state),
            state.exposure_s,
            self._electronics,
            vortex.ev_per_bin,
            rng,
            zero_ev=vortex.zero_ev,
        )
        return found.spectrum[None], found.scalers

    def arriving(self, state: StructuredState) -> NDArray[np.float64]:
        """Return the expected counts a second in each bin, (bins,)."""
        light = self._brightness(state)
        if light <= 0:
            return np.zeros(self.beamline.vortex.bins)
        alignment = MicroscopeAlignment(self.beamline, self.truth, state)
        theta_deg = 0.5 * (state.theta_start_deg + state.theta_end_deg)
        shining, x, y = self._shining(round(theta_deg, 2), round(alignment.energy_ev, 1))
        at_x, at_y = self._sample_um(alignment, theta_deg)
        shift_x, shift_y = self._displaced_um(state, 6, self.truth.pattern_shift_nm)
        photons = light * self.truth.sample_photons_per_um2_s * _YIELD_STEP_UM**2
        left = self.truth.fluorescence.retracted_share(state.vortex_x_mm)
        on_sample = beam = self.illumination(state, x + at_x - shift_x, y + at_y - shift_y)
        if math.hypot(at_x, at_y) > _IN_BEAM_UM:
            beam = self.illumination(state, x - shift_x, y - shift_y)
        met = float(beam.sum(dtype=np.float64))
        return np.asarray(shining.spectrum(on_sample, met) * (photons * left))

    def illumination(self, state: StructuredState, x_um: Array, y_um: Array) -> NDArray[np.float32]:
        """Return the light (ny, nx), its mean about 1: the mean over the way of a sheet that moves."""
        way_um = abs(state.fine_x_end_mm - state.fine_x_start_mm) * MM / UM
        places = math.ceil(way_um / (_PLACE_GRAINS * self.beamline.sandpaper_fine.grain_um))
        places = min(max(places, 1), _MOST_PLACES)
        total = np.zeros((y_um.size, x_um.size), np.float32)
        for number in range(places):
            part = (number + 0.5) / places
            fine_x = state.fine_x_start_mm + part * (state.fine_x_end_mm - state.fine_x_start_mm)
            total += self._light.illumination(self._places(state, fine_x), x_um, y_um)
        total /= np.float32(places)
        return total

    def _places(self, state: StructuredState, fine_x_mm: float) -> LightPlaces:
        return LightPlaces(
            energy_ev=round(MicroscopeAlignment(self.beamline, self.truth, state).energy_ev, 1),
            coarse_x_mm=state.coarse_x_mm,
            coarse_y_mm=state.coarse_y_mm,
            fine_x_mm=fine_x_mm,
            fine_y_mm=state.fine_y_mm,
            condenser_x_um=state.condenser_x_um,
            condenser_y_um=state.condenser_y_um,
            condenser_pitch_urad=state.condenser_pitch_urad,
            condenser_yaw_urad=state.condenser_yaw_urad,
            pinhole_x_um=state.pinhole_x_um,
            pinhole_y_um=state.pinhole_y_um,
            sample_z_um=state.sample_z_um,
        )

    def _brightness(self, state: StructuredState) -> float:
        """Light on the condenser, 1 when all is aligned: as far as the crystals' gap is off, it goes past."""
        if not state.shutter_open:
            return 0.0
        past = beam_height_um(self.beamline, self.truth, state) / self.truth.beam_sigma_um
        return wiggler_beam(self.beamline, self.truth, state) * math.exp(-0.5 * past**2)

    def _optics(
        self, alignment: MicroscopeAlignment, camera: CameraSettings, light: float
    ) -> TransmissionOptics:
        detection = self.beamline.detection
        pixel_um = alignment.pixel_um
        return TransmissionOptics(
            energy_ev=round(alignment.energy_ev, 1),
            zone_width_m=self.beamline.zone_plate.outermost_zone_width_nm * NM,
            psf_fwhm_um=detection.scintillator_psf_fwhm_nm * NM / UM * math.sqrt(alignment.area_ratio),
            photons_per_um2_s=light * self.truth.photons_per_pixel_s * alignment.area_ratio / pixel_um**2,
            defocus_um=round(alignment.defocus_m / UM, 2),
            tail=self.truth.scintillator_tail,
            tail_ratio=self.truth.scintillator_tail_ratio,
        )

    def _sample_um(self, alignment: MicroscopeAlignment, theta_deg: float) -> tuple[float, float]:
        """Where the sample's origin is: it does not quite come back to where it was."""
        x, y = alignment.axis_um(theta_deg)
        state = alignment.state
        assert isinstance(state, StructuredState)
        back_x, back_y = self._displaced_um(state, 7, self.truth.sample_return_nm)
        return x + back_x, y + back_y

    def _displaced_um(self, state: StructuredState, what: int, sigma_nm: float) -> tuple[float, float]:
        """Drawn anew with each move of the sample stage."""
        rng = np.random.default_rng((self.truth.seed, what, state.sample_moves))
        x, y = sigma_nm * NM / UM * rng.standard_normal(2)
        return float(x), float(y)

    def _made_to_shine(self, theta_deg: float, energy_ev: float) -> tuple[Fluorescence, Array, Array]:
        """What the sample sends from an angle, and the grid about its axis."""
        reach = self.phantom.reach_um + _YIELD_MARGIN_UM
        axis = np.arange(-reach, reach, _YIELD_STEP_UM)
        densities = {
            element: areal_density(self.phantom, element, axis, axis, theta_deg).astype(float)
            for element in self._elements
        }
        sample = Sample(densities, self._density_g_cm3, _YIELD_STEP_UM * UM)
        return fluorescence(sample, energy_ev, self.beamline.vortex, self.truth.fluorescence), axis, axis

    @cached_property
    def _elements(self) -> tuple[str, ...]:
        """Of the sample; where there is none, one of which it holds nothing."""
        import xraydb

        found: dict[str, None] = {}
        for material in self.phantom.materials:
            if material != AIR:
                atoms: Mapping[str, float] = xraydb.chemparse(material.formula)
                found |= dict.fromkeys(atoms)
        return tuple(found) or (_OF_AIR,)

    @cached_property
    def _density_g_cm3(self) -> float:
        """Of the solid: the mean over its materials."""
        densities = [material.density_g_cm3 for material in self.phantom.materials if material != AIR]
        return float(np.mean(densities)) if densities else 1.0
