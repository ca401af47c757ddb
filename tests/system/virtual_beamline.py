"""Runs of the simulated microscope without Channel Access: frames and documents as a beamline leaves them.

What a reconstruction is told comes from the beamline file and from calibration scans of the same microscope,
analysed as a user's would be. What the microscope hides, it hides from both.
"""

from dataclasses import replace

import numpy as np
from documents import SyntheticRun

from xsn_acq.analysis.calibration.knife_edge import knife_edge_curve
from xsn_acq.analysis.calibration.rotation_axis import rotation_axis
from xsn_acq.analysis.flatfield import normalise
from xsn_acq.config import load_beamline
from xsn_acq.config.imaging import detector_fwhm_m
from xsn_acq.live.offline import reconstruct
from xsn_acq.optics.schlieren import Schlieren
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth
from xsn_acq.storage.run import RunRecord
from xsn_acq.units import UM, wavelength_m

EXPOSURE_S = 2.0
SEED = 7
ROI = (1412, 1472, 384, 256)
SHAPE = (128, 192)
BEGIN_S = 1.7e9
EVERYTHING = Truth(
    drift_x_nm=30.0,
    drift_y_nm=30.0,
    jitter_nm=3.0,
    rotation_roll_deg=0.03,
    rotation_tilt_deg=-0.03,
    stray_light=0.01,
)
"""The simulator's usual effects (photon and read noise, sensor pattern, drift of light and beam, halo of the
scintillator, true aperture, motion blur, runout), and those that are off by default."""


class VirtualBeamline:
    """The microscope at one energy with one sample, the paper's exposure, 192 x 128 binned pixels."""

    def __init__(self, sample, energy_ev, truth=EVERYTHING):
        self.file = load_beamline("pls2-7c-xni")
        self.energy_ev = energy_ev
        self.phantom = phantom(sample, SEED)
        self._with = Microscope(self.file, self.phantom, truth, SEED)
        self._without = Microscope(self.file, phantom("empty"), truth, SEED)
        self._state = replace(nominal_state(self.file, energy_ev), shutter_open=True)
        self._camera = CameraSettings(EXPOSURE_S, *ROI, binning=2)
        self._frames = 0

    def frame(self, *, sample=True, **state):
        """One exposure; the clock goes on by one frame period."""
        self._frames += 1
        microscope = self._with if sample else self._without
        now = replace(self._state, time_s=BEGIN_S + self._frames * 1.0075 * EXPOSURE_S, **state)
        return microscope.frame(now, self._camera, self._frames)

    def flat(self, count=20, **state):
        return np.mean([self.frame(sample=False, **state) for _ in range(count)], axis=0)

    def dark(self):
        return self.flat(shutter_open=False)

    def knife_edge(self, points=61):
        """What a scan of the cutoff filter there and back tells, two frames a point."""
        geometry, dark = self.file.geometry, self.dark()
        per_um = self.file.cutoff_frequency_per_m(geometry.cutoff_x_zero_um + 1.0, self.energy_ev)
        there = np.linspace(-4.4, 4.4, points) / UM / per_um
        places = np.concatenate([there, there[::-1]])
        means = [
            np.mean(self.flat(2, cutoff_x_um=geometry.cutoff_x_zero_um + place) - dark) for place in places
        ]
        sigma = np.sqrt(np.maximum(means, 1.0) / 0.3 / (2 * dark.size))
        return knife_edge_curve(places * per_um, means, sigma, passes=geometry.cutoff_passes)

    def axis_column(self, edge, directions=6, frames=4):
        """Column of the rotation axis from stills half a turn apart."""
        optics = Schlieren(SHAPE, self._pixel_size_m, self._aperture_per_m, self._cutoff_per_m, edge)
        theta = np.concatenate([np.arange(directions) * 180 / directions + offset for offset in (0, 180)])
        dark, flat = self.dark(), self.flat()
        stills = [
            np.mean([self.frame(theta_start_deg=t, theta_end_deg=t) for _ in range(frames)], axis=0)
            for t in theta
        ]
        images = normalise(stills, dark, flat, background=optics.background, air_columns=6)
        return rotation_axis(theta, images, optics=optics).column

    def tomogram(self, folder, *, projections=900):
        """Calibrate, take a full turn on the fly, and reconstruct: the paths of volume and fields."""
        found = self.knife_edge()
        edge = found.curve
        run = SyntheticRun(
            projections=projections, darks=20, flats=40, shape=SHAPE, exposure_s=EXPOSURE_S, per_flush=100
        )
        run.acquisition = self._acquisition(edge, self.axis_column(edge), found.stray_fraction)
        run.dark = lambda _: self.frame(sample=False, shutter_open=False)
        run.flat = lambda _: self.frame(sample=False)
        half = 0.5 * run.step_deg * EXPOSURE_S / run.period_s
        run.projection = lambda _, theta: self.frame(theta_start_deg=theta - half, theta_end_deg=theta + half)
        record = RunRecord.from_documents(run.play(folder / "frames"))
        return reconstruct(record, folder / "results")

    def _acquisition(self, edge, axis_column, stray_fraction):
        return {
            "energy_ev": self.energy_ev,
            "wavelength_m": wavelength_m(self.energy_ev),
            "pixel_size_m": self._pixel_size_m,
            "numerical_aperture": self.file.zone_plate.numerical_aperture(self.energy_ev),
            "cutoff_per_m": self._cutoff_per_m,
            "cutoff_passes": self.file.geometry.cutoff_passes,
            "detector_fwhm_m": detector_fwhm_m(self.file, self.energy_ev),
            "stray_fraction": stray_fraction,
            "axis_column": axis_column,
            "knife_edge": {
                "frequency_per_m": edge.frequency_per_m.tolist(),
                "transmitted": edge.transmitted.tolist(),
            },
        }

    @property
    def _pixel_size_m(self):
        return self.file.pixel_size_m(self.energy_ev, 2)

    @property
    def _aperture_per_m(self):
        return self.file.zone_plate.numerical_aperture(self.energy_ev) / wavelength_m(self.energy_ev)

    @property
    def _cutoff_per_m(self):
        return self.file.cutoff_frequency_per_m(self._state.cutoff_x_um, self.energy_ev)


def grids_um(shape, pixel_size_m):
    """Coordinates x (1, 1, nx), y (ny, 1, 1) and z (1, nz, 1) of voxels, as phantoms take them."""
    y, z, x = ((np.arange(n) - 0.5 * (n - 1)) * pixel_size_m / UM for n in shape)
    return x[None, None, :], y[:, None, None], z[None, :, None]
