"""Which pairs of a run are to be retrieved again, and what the file of the volume tells of their shifts."""

from collections.abc import Sequence
from dataclasses import replace

import h5py
import numpy as np

from xsn_acq.analysis.pair_retrieval import Aligned
from xsn_acq.analysis.pair_shifts import settled
from xsn_acq.errors import ReconstructionError
from xsn_acq.storage.nexus import nxgroup

UNSEEN_PX = 0.02
"""Shifts whose root mean square is below this stay in: 0.01 pixel of the axis changes beta by 1 %."""
GROUP = "alignment"


def misaligned(pairs: Sequence[Aligned]) -> dict[int, Aligned]:
    """Return what is to be taken out of pairs, by their position, where it is not taken out already.

    Shifts are taken out of all pairs or of none, so that neighbours stay together.

    Parameters
    ----------
    pairs : sequence of Aligned
        All pairs of a scan by rising angle.

    Returns
    -------
    dict of int to Aligned
        Empty too where no shift is seen, or too few pairs tell theirs: then the calibrated axis stands.
    """
    return {
        position: replace(pair, applied=wanted)
        for position, (pair, wanted) in enumerate(zip(pairs, _wanted(pairs), strict=True))
        if pair.applied != wanted
    }


def _wanted(pairs: Sequence[Aligned]) -> list[tuple[float, float]]:
    """Shift (dy, dx) to be taken out of each pair."""
    nothing = [(0.0, 0.0)] * len(pairs)
    try:
        better = [(shift.dy, shift.dx) for shift in settled([pair.measured for pair in pairs])]
    except ReconstructionError:
        return nothing
    typical = np.sqrt(np.mean(np.square(better), axis=0))
    return better if typical.max() > UNSEEN_PX else nothing


def write_alignment(entry: h5py.Group, pairs: Sequence[Aligned]) -> None:
    """Write ``/alignment``: shifts of the pairs as measured and as taken out, and the axis they tell.

    Nothing is written where no shift could be measured.
    """
    shifts = [pair.measured for pair in pairs]
    known = [shift for shift in shifts if np.isfinite(shift.sigma_x)]
    if not known:
        return
    group = nxgroup(entry, GROUP, "NXcollection")
    errors = [shift.axis_error for shift in known]
    scatter = float(1.4826 * np.median(np.abs(np.array(errors) - np.median(errors))))
    values: dict[str, object] = {
        "shift_x": [shift.dx for shift in shifts],
        "shift_y": [shift.dy for shift in shifts],
        "taken_out_x": [pair.applied[1] for pair in pairs],
        "taken_out_y": [pair.applied[0] for pair in pairs],
        "axis_error": float(np.median(errors)),
        "axis_error_sigma": 1.25 * scatter / len(known) ** 0.5,  # of a median
    }
    for name, value in values.items():
        group[name] = np.asarray(value, dtype=float)
        group[name].attrs["units"] = "pixel"
