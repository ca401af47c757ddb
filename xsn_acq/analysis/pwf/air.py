"""Where projections see air: a strip beside the sample, in which the diffuser's drift shows."""

from collections.abc import Iterable

from xsn_acq.analysis.pwf.drift import speckle_shift
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

STRIP_COLUMNS = 48
_MOST_LEFT = 1.3
"""What a strip of air may leave unexplained, over the noise; a sample moves the speckle and leaves more."""


def air_region(
    reference: FloatArray,
    projections: Iterable[FloatArray],
    noise: float,
    *,
    columns: int = STRIP_COLUMNS,
) -> tuple[slice, slice] | None:
    """Rows and columns of the border strip, left or right, that sees air in all projections.

    Parameters
    ----------
    reference : real (ny, nx)
    projections : iterable of real (ny, nx)
        A few, at angles over the whole scan.
    noise : float
        Standard deviation over mean of one pixel, frame and reference together: for a reference of n frames
        sqrt(1 + 1 / n) times that of one, see `xsn_acq.analysis.flatfield.frame_noise`.
    columns : int
        Width of a strip, 24 or more.

    Returns
    -------
    (rows, columns), or None where the sample reaches into both strips
    """
    width = reference.shape[1]
    strips = [(slice(None), slice(0, columns)), (slice(None), slice(width - columns, width))]
    worst = [0.0, 0.0]
    for image in projections:
        for side, strip in enumerate(strips):
            worst[side] = max(worst[side], _unexplained(reference, image, strip))
    best = min((0, 1), key=lambda side: worst[side])
    return strips[best] if worst[best] < _MOST_LEFT * noise else None


def _unexplained(reference: FloatArray, image: FloatArray, strip: tuple[slice, slice]) -> float:
    try:
        return speckle_shift(reference, image, strip).left
    except ReconstructionError:
        return float("inf")
