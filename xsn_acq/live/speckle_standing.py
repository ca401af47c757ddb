"""Where the speckle of a projection stands while its scan goes on, before later references tell it."""

from xsn_acq.analysis.pwf.drift import speckle_shift
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

SEEN_PX = 0.25
"""Smaller shifts are left in. The sample, which is seen too, seems to move the speckle: by 0.07 pixels where
it is powder all over the field, by less where it is balls or a stick."""


def standing(reference: FloatArray, projection: FloatArray) -> tuple[float, float]:
    """Shift (dy, dx) of the speckle in a projection, pixels; 0 where it is small, or not certain.

    Parameters
    ----------
    reference, projection : real (ny, nx)
        Over the flat, sample included: it hides no more than part of the speckle.
    """
    try:
        shift = speckle_shift(reference, projection)
    except ReconstructionError:
        return (0.0, 0.0)
    if max(abs(shift.dy), abs(shift.dx)) < SEEN_PX:
        return (0.0, 0.0)
    return shift.dy, shift.dx
