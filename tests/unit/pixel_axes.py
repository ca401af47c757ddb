"""Where pixels are about the middle of a field."""

import numpy as np


def axis(count, step_um):
    """Centres of pixels, micrometres, (count,)."""
    return (np.arange(count) - (count - 1) / 2) * step_um
