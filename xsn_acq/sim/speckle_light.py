"""The light of a wiggler behind multilayers: how much, of which energy, and its stripes."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsn_acq.config import SpeckleBeamline
from xsn_acq.sim.pooling import Array
from xsn_acq.sim.source import source
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.sim.state import SpeckleState

_STRIPE_STEP_UM = 5.0
_STRIPE_STEPS = 4096


def energy_ev(beamline: SpeckleBeamline, state: SpeckleState) -> float:
    """Return the photon energy that the first multilayer reflects."""
    return beamline.multilayer.energy_ev(state.multilayer_1_deg)


def beam(beamline: SpeckleBeamline, truth: SpeckleTruth, state: SpeckleState) -> float:
    """Return the light in front of the experiment shutter: 1 when all is aligned, 0 with no beam."""
    detuned = (state.multilayer_2_deg - state.multilayer_1_deg) / truth.multilayer_rocking_deg
    return source(beamline, truth, state) * math.exp(-4 * math.log(2) * detuned**2)


def outline(truth: SpeckleTruth, time_s: float, x_um: Array, y_um: Array) -> NDArray[np.float32]:
    """Return the bare beam (ny, nx) over its middle: a Gaussian with stripes across y, which wanders slowly.

    Parameters
    ----------
    truth : SpeckleTruth
    time_s : float
        Simulated epoch time.
    x_um, y_um : array (nx,), (ny,)
        Places about the optical axis.
    """
    phase = 2 * math.pi * time_s / truth.drift_period_s
    y = np.asarray(y_um) - truth.beam_drift_um * math.sin(1.3 * phase)
    across = np.exp(-0.5 * (np.asarray(x_um) / truth.beam_sigma_x_um) ** 2)
    along = np.exp(-0.5 * (y / truth.beam_sigma_y_um) ** 2)
    place = (y / _STRIPE_STEP_UM + _STRIPE_STEPS / 2) % _STRIPE_STEPS
    known = _stripes(truth.seed, truth.stripe_um)
    along *= 1 + truth.stripes * np.interp(place, np.arange(known.size), known)
    return np.outer(along, across).astype(np.float32)


@lru_cache(maxsize=2)
def _stripes(seed: int, smooth_um: float) -> Array:
    """Smooth periodic noise of standard deviation 1."""
    noise = np.random.default_rng((seed, 5)).standard_normal(_STRIPE_STEPS)
    stripes = ndimage.gaussian_filter1d(noise, smooth_um / _STRIPE_STEP_UM, mode="wrap")
    periodic: Array = np.append(stripes, stripes[0]) / stripes.std()
    return periodic
