"""What the simulated beamline hides of a structured-illumination run: the maps it should give."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from xsn_acq.config import load_microscope
from xsn_acq.params import StructuredIllumination
from xsn_acq.plans.sweep import place_of
from xsn_acq.sim.alignment import MicroscopeAlignment, binned_centres
from xsn_acq.sim.ioc.structured_world import StructuredWorld
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.structured_microscope import StructuredMicroscope
from xsn_acq.sim.structured_truth import StructuredTruth

SEED = 7
"""Of the simulated beamline, unless told otherwise."""
_EVERY = 7
"""The mean light is taken from every so many patterns: it hardly changes."""


class ElementTruth:
    """Maps (E, ny, nx) in counts per live second and pixel, under the sweep's mean light; and particles.

    They are made on the simulator's own grid of 50 nm and added up in the camera's pixels.
    """

    def __init__(self, params: dict, sample: str = "three_cathodes"):
        self.params = StructuredIllumination.checked(params)
        self._beamline, self._truth = load_microscope("ssrl-6-2c"), StructuredTruth()
        self._microscope = StructuredMicroscope(self._beamline, phantom(sample, SEED), self._truth, SEED)
        world = StructuredWorld(self._beamline, self._truth)
        self._state = replace(world.state(0.0, self.params.exposure_s), shutter_open=True)
        alignment = MicroscopeAlignment(self._beamline, self._truth, self._state)
        camera = CameraSettings(
            self.params.exposure_s, *self.params.roi.as_tuple(), self.params.binning, self.params.readout_port
        )
        columns, rows = binned_centres(camera)
        self._x, self._y = alignment.x_um(columns), alignment.y_um(rows)
        self.pixel_m = float(self._x[1] - self._x[0]) * 1e-6
        self._axis = alignment.axis_um(0.0)
        self.maps = self._maps(alignment.energy_ev)

    def particles(self):
        """One mask for each particle, grown by a pixel for what the optics spread."""
        total = self.maps.sum(axis=0)
        inside = ndimage.binary_dilation(total > 0.05 * total.max())
        labels, count = ndimage.label(inside)
        return [labels == number for number in range(1, count + 1)]

    def _maps(self, energy_ev):
        shining, x, y = self._microscope._shining(0.0, round(energy_ev, 1))
        photons = self._truth.sample_photons_per_um2_s * (x[1] - x[0]) ** 2 * self._mean_light()
        yields = (shining.yields[shining.names.index(element)] for element in self.params.elements)
        return photons * np.array([self._binned(each.astype(float), x, y) for each in yields])

    def _mean_light(self):
        means = []
        for number in range(0, self.params.patterns, _EVERY):
            place = place_of(self.params, number)
            state = replace(
                self._state,
                coarse_x_mm=place.coarse_x_mm,
                coarse_y_mm=place.coarse_y_mm,
                fine_x_start_mm=place.fine_x_mm,
                fine_x_end_mm=place.fine_x_mm,
                fine_y_mm=place.fine_y_mm,
            )
            means.append(self._microscope.illumination(state, self._x, self._y).mean())
        return float(np.median(means))

    def _binned(self, fine, x, y):
        """Sums over the camera's pixels."""
        pixel = self._x[1] - self._x[0]
        column = np.floor((x + self._axis[0] - self._x[0]) / pixel + 0.5).astype(int)
        row = np.floor((y + self._axis[1] - self._y[0]) / pixel + 0.5).astype(int)
        inside_x, inside_y = (column >= 0) & (column < self._x.size), (row >= 0) & (row < self._y.size)
        image = np.zeros((self._y.size, self._x.size))
        part = fine[np.ix_(inside_y, inside_x)]
        np.add.at(image, (row[inside_y][:, None], column[inside_x][None]), part)
        return image
