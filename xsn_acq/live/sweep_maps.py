"""Maps of a sweep and what they are worth: sums of particles, resolution, correlations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.nxsci.error_map import error_map
from xsn_acq.analysis.nxsci.particles import Particles, find_particles
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Solver, Sweep
from xsn_acq.analysis.nxsci.region_sums import RegionSums, region_sums
from xsn_acq.analysis.nxsci.scores import element_correlations, map_resolution
from xsn_acq.analysis.nxsci.solvers import DEFAULT, SOLVERS
from xsn_acq.analysis.nxsci.txm_shift import TxmShift, find_txm_shift
from xsn_acq.analysis.nxsci.weight import strength_by_held_out
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.optics.arrays import FloatArray

LEAST_PATTERNS = 12
"""Of fewer no maps are made."""


@dataclass(frozen=True, eq=False)
class SweepMaps:
    """What a sweep shows.

    Attributes
    ----------
    elements : tuple of str
    sweep, guide
        What the maps were made of.
    maps : Maps
    particles : Particles
    names : dict of int to str
        Of the labels in ``sums``.
    sums : RegionSums or None
        None with fewer patterns than regions, and where not asked for.
    resolution_m : (E,), optional
        By Fourier ring correlation at 1/7 between maps of every second pattern, each guided by the TXM image
        of these alone: of map and TXM image together. NaN where the pixels are the limit; None where not
        asked for.
    txm_resolution_m : float, optional
        The same of the TXM image.
    solver : str
    told : tuple of str
        What there is to say of strength and registration.
    """

    elements: tuple[str, ...]
    sweep: Sweep
    guide: Guide
    maps: Maps
    particles: Particles
    names: dict[int, str]
    sums: RegionSums | None
    resolution_m: FloatArray | None
    txm_resolution_m: float | None
    solver: str = DEFAULT
    told: tuple[str, ...] = ()

    def correlations(self) -> FloatArray:
        """Between each two elements, over the pixels of particles, (E, E)."""
        return element_correlations(self.maps.values, self.particles.labels > 0)


@dataclass(frozen=True)
class Solving:
    """How maps are made: the solver's name, and whether left-out patterns check its strength."""

    solver: str = DEFAULT
    held_out: bool = False


USUAL = Solving()


def make_maps(
    growing: GrowingSweep, start: Maps | None = None, *, final: bool = False, how: Solving = USUAL
) -> SweepMaps:
    """Solve for the maps of the patterns so far.

    Parameters
    ----------
    growing : GrowingSweep
    start : Maps, optional
        Of fewer patterns: they are refined.
    final : bool
        Whether to work out standard errors, sums of regions, and maps of every second pattern for the
        resolution, too.
    how : Solving

    Raises
    ------
    ReconstructionError
        There are fewer good patterns than `LEAST_PATTERNS`.
    """
    sweep, guide = growing.sweep(), growing.guide()
    if len(sweep.patterns) < LEAST_PATTERNS:
        found = (
            f"run {growing.record.uid[:8]}: wanted {LEAST_PATTERNS} good patterns or more, "
            f"found {len(sweep.patterns)}; left out: {growing.exclusions()}"
        )
        raise ReconstructionError("; ".join((found, *growing.doubts())))
    solver, told = _solver(how, sweep, guide)
    maps = solver.solve(sweep, guide, start=start)
    particles = find_particles(guide)
    labels, names = _labels(particles, growing.regions)
    sums = resolution = txm_resolution = None
    if final:
        if 0 < len(names) < len(sweep.patterns):
            sums = region_sums(sweep, guide, labels.astype(np.intp) - 1)
        if how.solver == DEFAULT:
            maps = maps.with_sigma(error_map(sweep, guide, maps))
        told += (_place(find_txm_shift(sweep, guide)),)
        if len(sweep.patterns) >= 2 * LEAST_PATTERNS:
            halves = growing.half_guides()
            resolution = _resolution(solver, sweep, guide, halves, growing.pixel_size_m)
            txm_resolution = map_resolution(*halves, growing.pixel_size_m)
    return SweepMaps(
        growing.elements,
        sweep,
        guide,
        maps,
        particles,
        names,
        sums,
        resolution,
        txm_resolution,
        how.solver,
        told,
    )


def _solver(how: Solving, sweep: Sweep, guide: Guide) -> tuple[Solver, tuple[str, ...]]:
    """The solver, and what left-out patterns say of its strength.

    Raises
    ------
    ReconstructionError
        There is no such solver, or it has no strength to check.
    """
    if how.solver not in SOLVERS:
        raise ReconstructionError(f"solver: wanted one of {', '.join(SOLVERS)}, found {how.solver}")
    solver: Any = SOLVERS[how.solver]()
    if not how.held_out:
        return solver, ()
    if not hasattr(solver, "strength"):
        raise ReconstructionError(f"solver {how.solver}: has no strength that left-out patterns could check")
    chosen, found = strength_by_held_out(solver, sweep, guide)
    misfits = ", ".join(
        f"{name}: {misfit:.3g}" for name, misfit in zip(found.names, found.misfit, strict=True)
    )
    line = f"strength {chosen.strength:g} (chi-square of left-out patterns by strength: {misfits})"
    return chosen, (line,)


def _place(shift: TxmShift) -> str:
    """Where the counts see the TXM image."""
    return (
        f"TXM image against the counts: {shift.dy:+.2f}, {shift.dx:+.2f} px in y, x "
        f"(standard error {shift.sigma_pixels:.2f})"
    )


def _labels(
    particles: Particles, regions: dict[str, tuple[int, int, int, int]]
) -> tuple[NDArray[np.int32], dict[int, str]]:
    """Particles, and in their place the parts of them that lie in a region; names by label less 1."""
    labels = particles.labels.copy()
    names = {number: f"particle {number + 1}" for number in range(len(particles.pixels))}
    for name, (column, row, columns, rows) in regions.items():
        box = (slice(row, row + rows), slice(column, column + columns))
        inside = labels[box] > 0
        if inside.any():
            labels[box][inside] = len(names) + 1
            names[len(names)] = name
    present = {number: name for number, name in names.items() if (labels == number + 1).any()}
    return labels, present


def _resolution(
    solver: Solver, sweep: Sweep, guide: Guide, halves: tuple[FloatArray, FloatArray], pixel_size_m: float
) -> FloatArray:
    """Maps of every second pattern, each with a TXM image of its own: with one for both they agree anyway."""
    odd = np.arange(len(sweep.patterns)) % 2 == 1
    one, other = (
        solver.solve(sweep.subset(half), Guide(image, np.sqrt(2) * guide.sigma)).values
        for half, image in zip((~odd, odd), halves, strict=True)
    )
    return np.array([map_resolution(a, b, pixel_size_m) for a, b in zip(one, other, strict=True)])
