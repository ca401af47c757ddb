"""What stands for the slow parts of a speckle reconstruction where a test looks at the rest of it."""

import numpy as np
from speckle_run import LENGTHS_UM, PHOTONS

from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.pairing import NO_PARTNER
from xsn_acq.analysis.pwf.one_material import limit_of
from xsn_acq.analysis.retrieval import Field
from xsn_acq.errors import StorageError
from xsn_acq.live import speckle_first, speckle_preparing, speckle_reconstruction, speckle_trial
from xsn_acq.live.speckle_axis import Axis
from xsn_acq.live.speckle_drift import still_reference
from xsn_acq.live.speckle_following import Followed
from xsn_acq.live.speckle_light import Light

LIGHT = Light((LENGTHS_UM[0] * 1e-6, LENGTHS_UM[1] * 1e-6), (3e-8, 3e-8), 0.2, 2.29e-6, PHOTONS)
"""That of the simulated images; `test_pwf_coherence` looks at how it is measured."""


def know_the_light(patch):
    """Measuring light, drift and axis and drawing a page take longer than what these tests look at."""
    patch.setattr(speckle_preparing, "light_of", lambda *_: LIGHT)
    patch.setattr(speckle_first, "light_of", lambda *_: LIGHT)
    patch.setattr(speckle_preparing, "follow", standing_still)
    patch.setattr(speckle_trial, "find_axis", lambda views, phase, expected, first: Axis(expected))
    patch.setattr(speckle_reconstruction, "report_on", lambda path, record: None)


def standing_still(frames, rows):
    """Of frames that are too small to see a drift in."""
    reference = still_reference(frames.references)
    return Followed(reference, (), reference.largest_px)


class StandIn:
    """In the place of `retrieve_views`: fields of noise, and which angles were asked for.

    After ``most`` angles a frame cannot be read.
    """

    def __init__(self, shape, *, most=None, strain=1.0, converged=1.0, rmse=0.01, chi2=1.0):
        self.shape, self.most, self.chi2 = shape, most, chi2
        self.strain, self.converged, self.rmse = strain, converged, rmse
        self.asked = []

    def __call__(self, job, views):
        return [self._field(*view) for view in views]

    def _field(self, theta, rows):
        if self.most is not None and len(self.asked) >= self.most:
            raise StorageError("frame file: gone")
        self.asked.append((theta, tuple(row is not None for row in rows)))
        index = next(row[0] for row in rows if row is not None)
        phi = -np.random.default_rng(index).random(self.shape).astype(np.float32)
        limit = limit_of(sum(row is not None for row in rows))
        one_material = np.nan if np.isnan(self.strain) else float(self.strain < limit)
        numbers = (self.rmse, self.chi2, 20.0, self.converged, self.strain, one_material)
        field = Field(0.003 * phi, phi, numbers[:1])
        rmse = np.full(self.shape, self.rmse, np.float32)
        return PairField(index, NO_PARTNER, theta, field, numbers=numbers), rmse
