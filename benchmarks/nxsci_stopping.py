"""Patterns that a sweep takes until the stopping rule ends it, asked for the quality of the whole sweep.

What is done after each block is what `xsn_acq.live.assessment` does: maps from those of fewer patterns, in
units of the counts' noise, and the information left.
"""

import os
from dataclasses import dataclass

import numpy as np

from benchmarks._structured import ELEMENTS, SIDE, Scene, fresh, illumination, lines, relative_error, scene
from xsn_acq.analysis.nxsci.choosing import choose_patterns
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.information import RunningInformation, smooth_prior, txm_prior
from xsn_acq.analysis.nxsci.stopping import StoppingRule

FULL, BLOCK, COUNTS = 400, 20, 1e4
TRIES = 20
FIRST_SEED = 500
"""The rule was calibrated on seeds below 100."""
ASKED = (1.1, 1.5, 2.0, 3.0)
"""Times the error that the whole sweep has on the average."""
_ANY = 1e-9


@dataclass(frozen=True)
class Try:
    """Numbers of patterns at which maps were made, the error expected of them, and theirs."""

    patterns: list[int]
    expected: list[float]
    errors: list[float]

    def ends(self, asked: float) -> int:
        """Place at which the rule ends the sweep; the last where it does not."""
        below = np.flatnonzero(np.array(self.expected) < asked)
        return int(below[0]) if below.size else len(self.patterns) - 1


def run() -> dict:
    light = illumination(fresh(FULL, 7))
    tries = {
        sample: [_swept(light, sample, seed) for seed in range(FIRST_SEED, FIRST_SEED + TRIES)]
        for sample in ELEMENTS
    }
    taken = [each.patterns[each.ends(ASKED[0] * _full(them))] for them in tries.values() for each in them]
    mean = float(np.mean(taken))
    told = [_told(sample, them, factor) for factor in ASKED for sample, them in tries.items()]
    return {
        "name": "nxsci_stopping",
        "value": mean,
        "unit": "patterns",
        "rival": "the whole sweep",
        "rival_value": FULL,
        "ratio": FULL / mean,
        "size": f"{SIDE} x {SIDE}, {FULL} patterns in blocks of {BLOCK}, {TRIES} tries for each of two "
        f"samples, asked {ASKED[0]} times the whole sweep's mean error",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": "; ".join([*told, *_chosen(light)]),
    }


def _swept(light: np.ndarray, sample: str, seed: int) -> Try:
    """The whole sweep, and what the rule says on the way."""
    rng = np.random.default_rng((seed, 1))
    made = scene(sample, seed, light[rng.permutation(FULL)], COUNTS)
    weights = 1 / np.median(made.sweep.sigma, axis=1)[:, None, None]
    noise = float(np.median(made.sweep.sigma / np.maximum(made.sweep.counts, made.sweep.sigma)))
    information = RunningInformation(txm_prior(made.guide.transmission), noise)
    rule, maps, found = StoppingRule(_ANY), None, Try([], [], [])
    for number in range(BLOCK, FULL + 1, BLOCK):
        for pattern in made.sweep.patterns[number - BLOCK : number]:
            information.push(pattern)
        if not rule.due(number) and number < FULL:
            continue
        maps = GuidedSolver().solve(made.sweep.subset(np.arange(number)), made.guide, start=maps)
        judged = rule.push(number, maps.values * weights, information.value())
        found.patterns.append(number)
        found.expected.append(judged.expected_error)
        found.errors.append(relative_error(maps.values, made.maps))
    return found


def _full(tries: list[Try]) -> float:
    return float(np.mean([each.errors[-1] for each in tries]))


def _told(sample: str, tries: list[Try], factor: float) -> str:
    asked = factor * _full(tries)
    ends = [each.ends(asked) for each in tries]
    patterns, errors = (
        np.array([getattr(each, name)[end] for each, end in zip(tries, ends, strict=True)])
        for name in ("patterns", "errors")
    )
    early = patterns < FULL
    to_full = errors / [each.errors[-1] for each in tries]
    return (
        f"{sample}, asked {factor} x {_full(tries):.3f}: {patterns.mean():.0f} patterns, early {early.sum()} "
        f"of {TRIES}, of these above what was asked {np.count_nonzero(errors[early] > asked)}; error over "
        f"the whole sweep's {to_full.mean():.2f}, worst {to_full.max():.2f}"
    )


def _chosen(light: np.ndarray) -> list[str]:
    """Error of chosen patterns, of all, and of as many in lines in which the coarse sheet stands."""
    standing = illumination(lines(FULL // 100, 100))
    words = []
    for sample, seed in (("three_cathodes", FIRST_SEED + 2), ("cobalt_target", FIRST_SEED + 8)):
        made, slow = (scene(sample, seed, each, COUNTS) for each in (light, standing))
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
    return words


def _maps(made: Scene, chosen: np.ndarray) -> np.ndarray:
    return GuidedSolver().solve(made.sweep.subset(chosen), made.guide).values
