"""Live time of spectra, from the scalers of the pulse processor rather than from its own correction.

Each event costs the dead time, and resets cost theirs: live = real - events tau - resets. For a
non-paralysable detector that is exact; the error is that of tau, which is common to all spectra of a run.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.xspress3 import CLOCK_HZ, FEWEST_TICKS, SCALERS, column

_AGREE = 0.05
"""Relative difference, above which two of the processor's numbers contradict each other."""
_FEW = 20.0
"""Counts, by which numbers may differ in any case."""


@dataclass(frozen=True, eq=False)
class LiveTimes:
    """Times of n spectra.

    Attributes
    ----------
    real_s, live_s : (n,)
        ``live_s`` is NaN where nothing is left of it.
    dead_share : (n,)
        Of the real time; 0 to 1.
    error : (n,)
        Relative error of the live time from that of the dead time of an event.
    trusted : bool (n,)
        The processor's numbers agree with each other, with the spectrum and with the exposure.
    """

    real_s: FloatArray
    live_s: FloatArray
    dead_share: FloatArray
    error: FloatArray
    trusted: NDArray[np.bool_]


def live_times(
    scalers: ArrayLike,
    totals: ArrayLike,
    dead_s: float,
    *,
    dead_error: float = 0.02,
    exposure_s: ArrayLike | None = None,
) -> LiveTimes:
    """Live times from scalers.

    Parameters
    ----------
    scalers : (n, 11)
        In the order of `xsn_acq.optics.xspress3.SCALERS`.
    totals : (n,)
        Counts in each spectrum.
    dead_s : float
        Dead time of an event.
    dead_error : float
        Its relative error.
    exposure_s : float or (n,), optional
        How long the spectra should be.

    Returns
    -------
    LiveTimes

    Raises
    ------
    ReconstructionError
        Shapes differ.
    """
    found, total = np.asarray(scalers, float), np.asarray(totals, float)
    if found.ndim != 2 or found.shape != (total.size, len(SCALERS)):
        raise ReconstructionError(
            f"scalers: wanted shape {(total.size, len(SCALERS))} as the spectra, found {found.shape}"
        )
    ticks, resets, events, good = (
        found[:, column(name)] for name in ("clock_ticks", "reset_ticks", "all_events", "all_good")
    )
    known = np.isfinite(found).all(axis=1) & (ticks > FEWEST_TICKS)
    divisor = np.where(known, ticks, 1.0)
    by_events = np.where(known, events * dead_s * CLOCK_HZ / divisor, 0.0)
    dead = np.where(known, by_events + resets / divisor, 1.0)
    live = np.where(dead < 1, (1 - dead) * ticks / CLOCK_HZ, np.nan)
    error = dead_error * by_events / np.where(dead < 1, 1 - dead, 1.0)
    trusted = known & (dead < 1) & _near(good, total) & (good <= events * (1 + _AGREE) + _FEW)
    trusted &= (events <= good * 2 + _FEW) & (resets >= 0) & _own_dead_time(found, dead)
    if exposure_s is not None:
        trusted &= np.abs(ticks / CLOCK_HZ / np.asarray(exposure_s, float) - 1) < _AGREE
    return LiveTimes(ticks / CLOCK_HZ, live, np.clip(dead, 0.0, 1.0), error, trusted)


def _near(first: FloatArray, second: FloatArray) -> NDArray[np.bool_]:
    """Whether counts agree, but for what lies below the threshold of good events."""
    return np.asarray(np.abs(first - second) <= _AGREE * np.maximum(first, second) + _FEW)


def _own_dead_time(scalers: FloatArray, dead: FloatArray) -> NDArray[np.bool_]:
    """Whether the processor's own dead time is about that of its events."""
    own = scalers[:, column("dead_time_percent")] / 100
    return np.asarray(np.abs(own - dead) <= _AGREE)
