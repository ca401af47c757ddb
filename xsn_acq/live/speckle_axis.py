"""The rotation axis of a speckle scan, from two of its own projections half a turn apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xsn_acq.analysis.mirrored import mirrored_axis
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.speckle_scan import View
from xsn_acq.optics.arrays import FloatArray

_HALF_TURN_DEG = 180.0
_ALIKE_DEG = 0.1
"""More or less than half a turn; as `xsn_acq.analysis.calibration.rotation_axis`."""
_FAR_PX = 1.0
"""From where the beamline file has it: told, for the file should be mended."""


@dataclass(frozen=True)
class Axis:
    """Where the axis is.

    Attributes
    ----------
    column : float
        In the frames, pixel centres at integers.
    found : tuple of str
        What the projections said, empty where they were not asked.
    warnings : tuple of str
        What a person must know.
    """

    column: float
    found: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_axis(
    views: Sequence[View], phase: Callable[[View], FloatArray], expected: float, first_column: int = 0
) -> Axis:
    """Find the axis; where the projections do not tell it, it is taken to be where it is expected.

    Parameters
    ----------
    views : sequence of View
        By rising angle.
    phase : callable
        Phase (ny, nx) of a view.
    expected : float
        Column by the scan's start document.
    first_column : int
        Of the phases, in the frames.
    """
    pair = half_turn(views)
    if pair is None:
        return Axis(expected)
    try:
        mirrored = mirrored_axis(phase(pair[0]), phase(pair[1]))
    except ReconstructionError as error:
        return Axis(expected, warnings=(f"{error} Column {expected:.2f} of the beamline file was taken",))
    column = first_column + mirrored.column
    axis = Axis(column, (f"rotation axis {column:.2f} +- {mirrored.sigma_px:.2f}, was {expected:.2f}",))
    if abs(column - expected) < _FAR_PX:
        return axis
    return replace(axis, warnings=(_far(column, expected),))


def half_turn(views: Sequence[View]) -> tuple[View, View] | None:
    """The first and a later view that are half a turn apart; None where there are none."""
    if not views:
        return None
    wanted = views[0].theta_deg + _HALF_TURN_DEG
    nearest = min(views, key=lambda view: abs(view.theta_deg - wanted))
    return (views[0], nearest) if abs(nearest.theta_deg - wanted) < _ALIKE_DEG else None


def _far(column: float, expected: float) -> str:
    return (
        f"the rotation axis is in column {column:.2f} by the projections half a turn apart, in "
        f"{expected:.2f} by the beamline file: the one found was taken; mend calibration.rotation_axis, "
        f"{expected - column:+.1f} pixels of these frames off, or give --axis-column"
    )
