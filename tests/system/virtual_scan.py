"""Scans of the simulated microscope without Channel Access: its frames, with all that it hides."""

from dataclasses import dataclass, replace

import numpy as np

from xsn_acq.analysis.calibration.knife_edge import knife_edge_curve
from xsn_acq.analysis.calibration.rotation_axis import rotation_axis
from xsn_acq.analysis.flatfield import frame_noise, normalise
from xsn_acq.analysis.tomography import volume
from xsn_acq.analysis.xsn_stream import PairField, XsnSettings, XsnStream
from xsn_acq.config import load_beamline
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth
from xsn_acq.units import NM, UM, wavelength_m

EXPOSURE_S, PERIOD_S = 2.0, 2.015
SEED = 7
ROI = (1412, 1472, 384, 256)
BEGIN_S = 1.7e9


@dataclass(frozen=True)
class Scan:
    """What a beamline's files would hold after a tomogram."""

    energy_ev: float
    theta_deg: np.ndarray
    frames: np.ndarray
    dark: np.ndarray
    flats: np.ndarray

    @property
    def flat(self):
        return self.flats.mean(axis=0)


class VirtualBeamline:
    """The microscope at one energy with one sample, the paper's exposure, 192 x 128 binned pixels."""

    def __init__(self, sample, energy_ev, truth=None):
        self.file = load_beamline("pls2-7c-xni")
        self.truth = truth or Truth()
        self.phantom = phantom(sample, SEED)
        self.energy_ev = energy_ev
        self._with = Microscope(self.file, self.phantom, self.truth, SEED)
        self._without = Microscope(self.file, phantom("empty"), self.truth, SEED)
        self._state = replace(nominal_state(self.file, energy_ev), shutter_open=True)
        self._camera = CameraSettings(EXPOSURE_S, *ROI, binning=2)
        self._frames = 0

    def frame(self, *, sample=True, **state):
        """One exposure; the clock goes on by one frame period."""
        self._frames += 1
        microscope = self._with if sample else self._without
        now = replace(self._state, time_s=BEGIN_S + self._frames * PERIOD_S, **state)
        return microscope.frame(now, self._camera, self._frames)

    def darks(self, count=20):
        return np.mean([self.frame(shutter_open=False) for _ in range(count)], axis=0)

    def tomogram(self, projections=900):
        """Darks, flats, and a full turn on the fly."""
        dark = self.darks()
        flats = np.stack([self.frame(sample=False) for _ in range(40)])
        begin = np.arange(projections) * 360 / projections
        end = begin + 360 / projections * EXPOSURE_S / PERIOD_S
        frames = np.stack(
            [self.frame(theta_start_deg=a, theta_end_deg=b) for a, b in zip(begin, end, strict=True)]
        )
        return Scan(self.energy_ev, 0.5 * (begin + end), frames, dark, flats)

    def knife_edge(self, points=61):
        """Curve from a scan of the cutoff filter there and back, two frames a point."""
        geometry, dark = self.file.geometry, self.darks()
        per_um = self.file.cutoff_frequency_per_m(geometry.cutoff_x_zero_um + 1.0, self.energy_ev)
        places = np.linspace(-4.4, 4.4, points) / UM / per_um
        places = np.concatenate([places, places[::-1]])
        means = [
            np.mean(self.frame(sample=False, cutoff_x_um=geometry.cutoff_x_zero_um + x) - dark)
            for x in places
        ]
        noise = np.sqrt(np.maximum(means, 1.0) / 0.3 / dark.size)
        return knife_edge_curve(places * per_um, means, noise, passes=geometry.cutoff_passes).curve

    def settings(self, edge: KnifeEdge, axis_column: float, step_deg: float, noise: float) -> XsnSettings:
        """What a reconstruction is told: the beamline file, and what was measured."""
        file, energy = self.file, self.energy_ev
        wavelength = wavelength_m(energy)
        return XsnSettings(
            wavelength_m=wavelength,
            pixel_size_m=file.pixel_size_m(energy, 2),
            aperture_per_m=file.zone_plate.numerical_aperture(energy) / wavelength,
            cutoff_per_m=file.cutoff_frequency_per_m(self._state.cutoff_x_um, energy),
            passes=file.geometry.cutoff_passes,
            knife_edge=edge,
            axis_column=axis_column,
            step_deg=step_deg,
            detector_fwhm_m=file.detection.scintillator_psf_fwhm_nm * NM,
            noise=noise,
        )


def axis_of(scan: Scan, beamline: VirtualBeamline, edge: KnifeEdge, pairs: int = 12):
    """Rotation axis from some pairs of the scan's own frames."""
    half = scan.theta_deg.size // 2
    first = np.arange(pairs) * half // pairs
    chosen = np.concatenate([first, first + half])
    optics = beamline.settings(edge, 0.0, 1.0, 0.0).optics(scan.frames.shape[1:])
    images = normalise(scan.frames[chosen], scan.dark, scan.flat, background=optics.background, air_columns=6)
    return rotation_axis(scan.theta_deg[chosen], images, optics=optics)


def retrieved(scan: Scan, settings: XsnSettings) -> list[PairField]:
    """Fields of all pairs."""
    stream = XsnStream(settings, scan.dark, scan.flat)
    results = [
        result
        for index, (theta, frame) in enumerate(zip(scan.theta_deg, scan.frames, strict=True))
        for result in stream.push(index, float(theta), frame, preview=False)
    ]
    return [result for result in results if isinstance(result, PairField)]


def reconstructed(fields: list[PairField], settings: XsnSettings) -> np.ndarray:
    """Volume beta + i delta (ny, nz, nx) of some fields."""
    stack = np.stack([pair.field.alpha + 1j * pair.field.phi for pair in fields])
    theta = np.deg2rad([pair.theta_deg for pair in fields])
    sizes = {"pixel_size_m": settings.pixel_size_m, "wavelength_m": settings.wavelength_m}
    return volume(stack, theta, **sizes)


def noise_of(scan: Scan) -> float:
    """Of one frame in air."""
    return frame_noise(scan.flats[0], scan.flats[1], scan.dark)
