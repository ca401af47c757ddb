"""For the speckle benchmarks: the samples of the tests, and plain descent on our objective."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "unit"))

from speckle_scenes import (  # noqa: F401
    CELLULOSE,
    GLASS,
    MIXTURES,
    ONE_MATERIAL,
    PHOTONS,
    SAND,
    Scene,
    scene,
)

from xsn_acq.analysis.pwf.descent import LONGER
from xsn_acq.analysis.pwf.settings import PwfSettings

REFERENCE_FRAMES = 20
MU = 10.0


def settings(one: Scene, material: Any, **changed: Any) -> PwfSettings:
    """Settings for a scene, its beta/delta known."""
    given = {"mu": MU, "reference_frames": REFERENCE_FRAMES, "mode": "single_material", **changed}
    ratio, sand = material.beta / material.delta, SAND.beta / SAND.delta
    return PwfSettings(one.optics, ratio, PHOTONS, diffuser_beta_over_delta=sand, **given)


def plain_descent(
    value: Callable[[Any], tuple[float, Any]], x: Any, square: Any, least: float, most: int
) -> tuple[Any, list[float]]:
    """Go along F^-1 k^-2 F gradient; a step that does not lower the value is halved.

    Until the first one fails each step is twice the last, then a tenth longer. It ends at the value ``least``
    or after ``most`` gradients; it returns the variables and all values.
    """
    total, gradient = value(x)
    values, step, longer = [total], 1e-3, 2.0
    while values[-1] > least and len(values) < most:
        way = np.fft.irfft2(np.fft.rfft2(gradient) / square, gradient.shape[-2:]).astype(x.dtype)
        new, turned = value(x - step * way)
        values.append(new)
        if new < total:
            x, total, gradient, step = x - step * way, new, turned, longer * step
        else:
            step, longer = 0.5 * step, LONGER
    return x, values
