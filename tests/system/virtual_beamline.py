"""Runs of the simulated microscope without Channel Access: frames and documents as a beamline leaves them.

What a reconstruction is told comes from the beamline file and from calibration scans of the same microscope,
analysed as a user's would be. What the microscope hides, it hides from both.
"""

from dataclasses import replace
from datetime import date

import numpy as np
from documents import SyntheticRun

from xsn_acq.analysis.calibration.knife_edge import knife_edge_curve
from xsn_acq.analysis.calibration.rotation_axis import rotation_axis
from xsn_acq.analysis.flatfield import normalise
from xsn_acq.config import load_beamline
from xsn_acq.config.calibration import Calibration, KnifeEdgeCalibration, RotationAxisCalibration
from xsn_acq.config.imaging import axis_on_sensor, detector_fwhm_m, knife_edge_at
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
BINNING = 2
_FIRST_COLUMN = ROI[0] + (BINNING - 1) / 2
"""Centre of the frames' first column on the unbinned sensor."""
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
    """The microscope with one sample, the paper's exposure, 192 x 128 binned pixels."""

    def __init__(self, sample, energy_ev, truth=EVERYTHING):
        self.file = load_beamline("pls2-7c-xni")
        self.energy_ev = energy_ev
        self.phantom = phantom(sample, SEED)
        self._with = Microscope(self.file, self.phantom, truth, SEED)
        self._without = Microscope(self.file, phantom("empty"), truth, SEED)
        self._state = self._nominal(energy_ev)
        self._camera = CameraSettings(EXPOSURE_S, *ROI, binning=BINNING)
        self._frames = 0

    def go_to(self, energy_ev):
        """Another energy, all in place there. Time goes on, so that drifts do, and no noise comes twice."""
        self.energy_ev, self._state = energy_ev, self._nominal(energy_ev)

    def _nominal(self, energy_ev):
        return replace(nominal_state(self.file, energy_ev), shutter_open=True)

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

    def calibrate(self):
        """Calibrations as the program keeps them."""
        found = self.knife_edge()
        curve, when = found.curve, {"date": date(2026, 1, 1), "energy_ev": self.energy_ev}
        knife_edge = KnifeEdgeCalibration(
            frequency_per_um=tuple(curve.frequency_per_m * UM),
            transmitted=tuple(curve.transmitted),
            stray_fraction=found.stray_fraction,
            **when,
        )
        axis = RotationAxisCalibration(
            column=_FIRST_COLUMN + BINNING * self.axis_column(curve),
            sample_x_um=self._state.sample_x_um,
            **when,
        )
        return self.file.calibration.model_copy(update={"knife_edge": knife_edge, "rotation_axis": axis})

    def tomogram(self, folder, *, projections=900, calibration=None, turning=True):
        """Take a full turn on the fly and reconstruct: the paths of volume and fields.

        ``calibration`` may be of another energy; left out: calibrate here. Few projections on the fly smear
        what is far from the axis: not ``turning`` the stage stands still during each exposure.
        """
        run = SyntheticRun(
            projections=projections, darks=20, flats=40, shape=SHAPE, exposure_s=EXPOSURE_S, per_flush=100
        )
        run.acquisition = self._acquisition(calibration or self.calibrate())
        run.dark = lambda _: self.frame(sample=False, shutter_open=False)
        run.flat = lambda _: self.frame(sample=False)
        half = 0.5 * run.step_deg * EXPOSURE_S / run.period_s if turning else 0.0
        run.projection = lambda _, theta: self.frame(theta_start_deg=theta - half, theta_end_deg=theta + half)
        record = RunRecord.from_documents(run.play(folder / "frames"))
        return reconstruct(record, folder / "results")

    def _acquisition(self, calibration: Calibration):
        file, energy = self.file.model_copy(update={"calibration": calibration}), self.energy_ev
        axis = axis_on_sensor(file, energy, self._state.sample_x_um)
        return {
            "energy_ev": energy,
            "wavelength_m": wavelength_m(energy),
            "pixel_size_m": self._pixel_size_m,
            "numerical_aperture": file.zone_plate.numerical_aperture(energy),
            "cutoff_per_m": self._cutoff_per_m,
            "cutoff_passes": file.geometry.cutoff_passes,
            "detector_fwhm_m": detector_fwhm_m(file, energy),
            "stray_fraction": calibration.knife_edge.stray_fraction,
            "axis_column": (axis - _FIRST_COLUMN) / BINNING,
            "knife_edge": knife_edge_at(calibration.knife_edge, energy),
        }

    @property
    def _pixel_size_m(self):
        return self.file.pixel_size_m(self.energy_ev, BINNING)

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
