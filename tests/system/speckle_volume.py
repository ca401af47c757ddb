"""What a speckle tomogram of the simulated 6C is worth, voxel by voxel against the simulator's own sample."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.shapes import AIR
from xsn_acq.sim.speckle_samples import speckle_sample, true_slice
from xsn_acq.sim.speckle_truth import SpeckleTruth

ENERGY_EV = 10_000.0
BLOCK = 16
CORE_PX = 4
"""A material is judged so far from any rim, pixels: what the light resolves (2.3 um) and a pixel more."""
SAMPLE_BLUR = 1 / np.sqrt(2 * np.pi)
"""The sample's transfer exp(-pi x_coh^2 u^2) is a Gaussian of standard deviation x_coh / sqrt(2 pi)."""


@dataclass(frozen=True)
class Void:
    """A bubble: how far delta falls in its middle, in parts of its host's, and so of the blurred truth."""

    diameter_um: float
    depth: float
    true_depth: float


class JudgedVolume:
    """Some rows of a volume beside the truth, (y, z, x).

    Parameters
    ----------
    path : Path
        ``reconstruction.h5``.
    sample : str
        As it was given to ``xsn-acq sim``.
    seed : int
        Of the simulated beamline.
    first_row : int
        Of the region on the sensor.
    rows : slice, optional
        Those of the volume that are judged; the truth of many takes long.
    """

    def __init__(self, path, sample, seed, first_row, rows=slice(2, -2)):
        with VolumeFile(path) as file:
            self.parameters = file.parameters
            self.pixel_um = file.pixel_size_m * 1e6
            places = np.arange(file.delta.shape[0])[rows]
            self.delta, self.beta = file.delta[rows], file.beta[rows]
        n = self.delta.shape[2]
        self.x_um = (np.arange(n) - (n - 1) / 2) * self.pixel_um
        self.y_um = (places + first_row - SpeckleTruth().axis_row) * self.pixel_um
        self.sample = speckle_sample(sample, seed)
        slices = [true_slice(self.sample, ENERGY_EV, self.x_um, y, parts=2) for y in self.y_um]
        self.true_delta, self.true_beta = (np.stack(part) for part in zip(*slices, strict=True))
        self.seen = np.hypot(self.x_um, self.x_um[:, None]) < 0.95 * self.x_um[-1]

    def core(self, material):
        """Voxels of a material with no other near, as far as the rows tell."""
        true = _constants(material).delta if material.formula else 0.0
        wrong = np.abs(self.true_delta - true) > 1e-3 * self.true_delta.max()
        return ~ndimage.maximum_filter(wrong, 2 * CORE_PX + 1, mode="constant", cval=True) & self.seen

    def values(self, material):
        """Delta and beta of a material over their true values."""
        core, true = self.core(material), _constants(material)
        return float(self.delta[core].mean() / true.delta), float(self.beta[core].mean() / true.beta)

    def background(self, material):
        """Mean of each block of air of 16 x 16 voxels of a slice, over delta of a material."""
        air = self.core(AIR)
        rows, n = len(air), len(self.x_um) // BLOCK
        cut = slice(0, n * BLOCK)
        shape = (rows, n, BLOCK, n, BLOCK)
        whole = air[:, cut, cut].reshape(shape).all(axis=(2, 4))
        means = self.delta[:, cut, cut].reshape(shape).mean(axis=(2, 4))
        return means[whole] / _constants(material).delta

    def slope(self):
        """Slope of found against true delta, both as far as the light lets them through."""
        found, true = (self._blurred(volume)[:, self.seen] for volume in (self.delta, self.true_delta))
        return float((found * true).sum() / (true * true).sum())

    def voids(self):
        """Bubbles whose middle lies in the rows that are judged, the largest first."""
        blurred = self._blurred(self.true_delta)
        bubbles = [shape for shape in self.sample.shapes if shape.material is AIR]
        inside = [each for each in bubbles if self.y_um[0] < each.centre_um[1] < self.y_um[-1]]
        found = []
        for bubble in inside:
            x, y, z = bubble.centre_um
            radius, host = bubble.form_um2[0][0] ** 0.5, _constants(bubble.host).delta
            far = np.hypot(self.x_um - x, self.x_um[:, None] - z)
            middle = np.hypot(far, (self.y_um - y)[:, None, None]) < max(radius / 3, self.pixel_um)
            depths = [1 - float(volume[middle].mean()) / host for volume in (self.delta, blurred)]
            found.append(Void(2 * radius, *depths))
        return sorted(found, key=lambda void: -void.diameter_um)

    def _blurred(self, volume):
        x_m, y_m = self.parameters["light"]["lengths_m"]
        x, y = (SAMPLE_BLUR * length * 1e6 / self.pixel_um for length in (x_m, y_m))
        return ndimage.gaussian_filter(volume, (y, x, x))


def _constants(material):
    return optical_constants(material.formula, material.density_g_cm3, ENERGY_EV)
