"""Pulse processor of a fluorescence detector, as Xspress3 counts: dead time, resets, pile-up, scalers.

Events that arrive follow Poisson's law. The preamplifier is reset when so much charge has come, and blind
meanwhile; an event hides those that follow for a time, without being prolonged by them (non-paralysable), but
an event that comes within the resolving time of one is added to it. So counts saturate at one in each dead
time, and the spectrum then consists of sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.silicon_drift import piled_up
from xsn_acq.optics.xspress3 import CLOCK_HZ, FEWEST_TICKS, SCALERS


@dataclass(frozen=True)
class Electronics:
    """What the pulse processor hides, and how it is set.

    Parameters
    ----------
    dead_s : float
        Time that an event hides those that follow.
    event_width_ticks : float, optional
        What the processor believes of that, less one tick; by default the truth.
    resolving_s : float
        Two events nearer than this are counted as one.
    ramp_ev, reset_s : float
        Energy after which the preamplifier is reset, and the time that it takes.
    good_ev : float
        Least energy of an event that counts as good.
    window_1_ev, window_2_ev : (low, high)
        Windows whose events are counted.
    """

    dead_s: float
    event_width_ticks: float | None = None
    resolving_s: float = 12.5e-9
    ramp_ev: float = 4e5
    reset_s: float = 2e-7
    good_ev: float = 300.0
    window_1_ev: tuple[float, float] = (0.0, 0.0)
    window_2_ev: tuple[float, float] = (0.0, 0.0)

    @property
    def believed_dead_ticks(self) -> float:
        """Ticks for each event in the processor's own dead time."""
        if self.event_width_ticks is None:
            return self.dead_s * CLOCK_HZ
        return self.event_width_ticks + 1


@dataclass(frozen=True, eq=False)
class Counted:
    """One exposure: spectrum uint32 (bins,), scalers float64 (11,) in the order of ``xspress3.SCALERS``."""

    spectrum: NDArray[np.uint32]
    scalers: NDArray[np.float64]


def counted(
    arriving: FloatArray,
    exposure_s: float,
    electronics: Electronics,
    ev_per_bin: float,
    rng: np.random.Generator,
    *,
    zero_ev: float = 0.0,
) -> Counted:
    """Return what is counted in one exposure.

    Parameters
    ----------
    arriving : (bins,)
        Expected counts a second in each bin of a detector without dead time.
    exposure_s : float
    electronics : Electronics
    ev_per_bin, zero_ev : float
        Energy of the bins.
    rng : numpy Generator
        The only source of chance.
    """
    centres_ev = zero_ev + ev_per_bin * (np.arange(arriving.size) + 0.5)
    rate = float(arriving.sum())
    resets = rng.poisson(exposure_s * _reset_rate(arriving, centres_ev, electronics))
    awake_s = max(exposure_s - resets * electronics.reset_s, 0.0)
    events = _events(rate, awake_s, electronics.dead_s, rng.random())
    sums = rng.binomial(events, -np.expm1(-rate * electronics.resolving_s))
    spectrum = np.zeros(arriving.size, np.int64)
    if events:
        spectrum += _thrown(events - sums, arriving / rate, rng)
        spectrum += _thrown(sums, piled_up(arriving, 0.5 + zero_ev / ev_per_bin), rng)
    hidden = rng.poisson(events * rate * max(electronics.dead_s - electronics.resolving_s, 0.0))
    scalers = _scalers(spectrum, centres_ev, exposure_s, resets, events, hidden, electronics)
    return Counted(spectrum.astype(np.uint32), scalers)


def _reset_rate(arriving: FloatArray, centres_ev: FloatArray, electronics: Electronics) -> float:
    """Resets a second: the ramp fills only while it is not being reset."""
    filling_s = electronics.ramp_ev / max(float(arriving @ centres_ev), 1e-9)
    return 1 / (filling_s + electronics.reset_s)


def _events(rate: float, awake_s: float, dead_s: float, chance: float) -> int:
    """Events counted in a time, each of which takes ``dead_s`` of it; ``chance`` is even in 0 to 1.

    The k-th is counted before the end when k waiting times fit into what k - 1 dead times leave, with the
    probability P(k, rate (awake - (k - 1) dead)), P the incomplete gamma function. The number wanted is the
    largest k for which that is above the chance.
    """
    least, most = 0, int(awake_s / dead_s) + 2
    while most - least > 1:
        k = (least + most) // 2
        left_s = awake_s - (k - 1) * dead_s
        if left_s > 0 and gammainc(k, rate * left_s) > chance:
            least = k
        else:
            most = k
    return least


def _thrown(number: int, parts: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Throw so many events into bins; what is missing to 1 falls outside."""
    inside = min(float(parts.sum()), 1.0)
    if inside <= 0:
        return np.zeros(parts.size, np.int64)
    return rng.multinomial(rng.binomial(number, inside), parts / parts.sum())


def _scalers(
    spectrum: NDArray[np.int64],
    centres_ev: FloatArray,
    exposure_s: float,
    resets: int,
    events: int,
    hidden: int,
    electronics: Electronics,
) -> NDArray[np.float64]:
    """Scalers in order; the dead time as the EPICS driver computes it."""

    def within(low_ev: float, high_ev: float) -> int:
        return int(spectrum[(centres_ev >= low_ev) & (centres_ev < high_ev)].sum())

    ticks, reset_ticks = round(exposure_s * CLOCK_HZ), round(resets * electronics.reset_s * CLOCK_HZ)
    dead = events * electronics.believed_dead_ticks + reset_ticks
    known = ticks > FEWEST_TICKS
    factor = ticks / (ticks - dead) if known and dead != ticks else 0.0
    percent = 100 * dead / ticks if known else 0.0
    found = {
        "clock_ticks": ticks,
        "reset_ticks": reset_ticks,
        "reset_counts": resets,
        "all_events": events,
        "all_good": within(electronics.good_ev, np.inf),
        "window_1": within(*electronics.window_1_ev),
        "window_2": within(*electronics.window_2_ev),
        "pile_up": hidden,
        "event_width": electronics.believed_dead_ticks - 1,
        "dead_time_factor": factor,
        "dead_time_percent": percent,
    }
    return np.array([found[name] for name in SCALERS], np.float64)
