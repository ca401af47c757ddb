"""Patterns that a sweep takes until the stopping rule ends it: against the whole sweep."""

import os

import numpy as np

from benchmarks._structured import SIDE, Scene, fresh, illumination, lines, relative_error, scene
from xsn_acq.analysis.nxsci.choosing import choose_patterns
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.information import RunningInformation, smooth_prior, txm_prior
from xsn_acq.analysis.nxsci.stopping import StoppingRule, sweep_until_enough

FULL = 400
QUALITY = 0.3
TRIES = 20
FIRST_SEED = 500
"""The rule was calibrated on seeds below 100."""


def run() -> dict:
    light = illumination(fresh(FULL, 7))
    tries = [_until_enough(light, seed) for seed in range(FIRST_SEED, FIRST_SEED + TRIES)]
    taken = np.array([n for n, _ in tries])
    errors = np.array([error for _, error in tries])
    early = taken < FULL
    misses = int(np.count_nonzero(errors[early] > QUALITY))
    mean = float(taken.mean())
    return {
        "name": "nxsci_stopping",
        "value": mean,
        "unit": "patterns",
        "rival": "the whole sweep",
        "rival_value": FULL,
        "ratio": FULL / mean,
        "size": f"{SIDE} x {SIDE}, {FULL} patterns, {TRIES} tries, asked error {QUALITY}",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": f"ended early {int(early.sum())} times, {misses} of them above the asked error; "
        f"worst {errors[early].max():.3f}; fewest patterns {taken.min()}; {_chosen(light)}",
    }


def _until_enough(light: np.ndarray, seed: int) -> tuple[int, float]:
    """Patterns taken, and the error they leave."""
    rng = np.random.default_rng((seed, 1))
    sample = "cobalt_target" if seed % 4 == 0 else "three_cathodes"
    made = scene(sample, seed, light[rng.permutation(FULL)], 10 ** rng.uniform(3.5, 4.5))
    noise = float(np.median(made.sweep.sigma / np.maximum(made.sweep.counts, 1)))
    information = RunningInformation(txm_prior(made.guide.transmission), noise)
    judged = sweep_until_enough(
        made.sweep.patterns, lambda n: _maps(made, np.arange(n)), information, StoppingRule(QUALITY)
    )
    return judged.patterns, relative_error(_maps(made, np.arange(judged.patterns)), made.maps)


def _chosen(light: np.ndarray) -> str:
    """Error of chosen patterns, of all, and of as many in lines in which the coarse sheet stands."""
    standing = illumination(lines(FULL // 100, 100))
    words = []
    for sample, seed in (("three_cathodes", FIRST_SEED + 2), ("cobalt_target", FIRST_SEED + 8)):
        made, slow = (scene(sample, seed, each, 1e4) for each in (light, standing))
        order = choose_patterns(made.sweep.patterns, smooth_prior((SIDE, SIDE)), 0.01, FULL).order
        errors = [
            relative_error(_maps(each, chosen), each.maps)
            for each, chosen in (
                (made, order[: 3 * FULL // 4]),
                (made, np.arange(FULL)),
                (slow, np.arange(FULL)),
            )
        ]
        three = ", ".join(f"{error:.3f}" for error in errors)
        words.append(
            f"{sample}: error of {3 * FULL // 4} chosen, of all, of all with a standing sheet {three}"
        )
    return "; ".join(words)


def _maps(made: Scene, chosen: np.ndarray) -> np.ndarray:
    return GuidedSolver().solve(made.sweep.subset(chosen), made.guide).values
