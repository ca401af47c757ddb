"""Where the sample is when its stage says it is at rest on the axis: wobble, drift, jitter."""

import math

import numpy as np

from xsn_acq.sim.microscope_truth import FullFieldTruth


def wobble_um(truth: FullFieldTruth, theta_deg: float) -> tuple[float, float]:
    """Return how far the rotation axis is off at an angle: x, y."""
    theta, wobble = math.radians(theta_deg), truth.runout_nm * 1e-3
    return wobble * math.sin(2 * theta + 0.7), wobble * math.sin(3 * theta + 1.9)


def wander_um(truth: FullFieldTruth, time_s: float) -> tuple[float, float]:
    """Return drift and jitter of the sample against the optics at a time: x, y."""
    phase = 2 * math.pi * time_s / truth.drift_period_s
    x = truth.drift_x_nm * math.sin(0.6 * phase + 0.4)
    y = truth.drift_y_nm * math.sin(0.9 * phase + 1.3)
    if truth.jitter_nm:
        rng = np.random.default_rng((truth.seed, 4, abs(round(1e6 * time_s))))
        jitter_x, jitter_y = truth.jitter_nm * rng.standard_normal(2)
        x, y = x + jitter_x, y + jitter_y
    return float(x) * 1e-3, float(y) * 1e-3
