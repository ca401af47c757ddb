"""A structured-illumination run as far as it has come: patterns at the sample, counts of lines, TXM image."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.nxsci.pairs import Exclusion
from xsn_acq.analysis.nxsci.problem import Guide, Sweep
from xsn_acq.analysis.xrf.areas import LineAreas, Trouble, line_areas
from xsn_acq.analysis.xrf.dead_time import live_times
from xsn_acq.analysis.xrf.refining import refined
from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.sweep_blocks import Block, BlockPairing, SettledBlock
from xsn_acq.live.sweep_library import Library
from xsn_acq.live.sweep_references import ReferenceShift, reference_shifts
from xsn_acq.live.sweep_spectra import fit_of_sum, limits_of, model_of
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.storage.run import Row, RunRecord
from xsn_acq.storage.sweep import SweepReader

TECHNIQUE = "nxsci"
NO_PATTERN = "no_pattern"
"""Why a pattern is left out that the library does not have; other reasons are `Exclusion`."""
_LEAST_SIGMA = 0.3
"""Of the median: a pixel of the TXM image is not surer than that."""


def is_sweep(start: Mapping[str, Any]) -> bool:
    """Whether a run is one of structured illumination."""
    return bool(start.get("plan_name") == "structured_illumination")


def shows_sample(start: Mapping[str, Any]) -> bool:
    """Whether a run of structured illumination was taken with the sample, so that maps can be made."""
    return is_sweep(start) and bool(start["params"]["passes"] != "out")


class GrowingSweep(Closing):
    """What there is of a run.

    Parameters
    ----------
    record : RunRecord
        With its start document; rows are pushed as they come.
    library : RunRecord, optional
        Whose sample-out images are used, where the run has none of its own.

    Raises
    ------
    ReconstructionError
        The run is none of structured illumination, or its library does not fit.
    """

    def __init__(self, record: RunRecord, library: RunRecord | None = None) -> None:
        if not is_sweep(record.start):
            plan = record.start.get("plan_name", "none")
            raise ReconstructionError(
                f"run {record.uid[:8]}: wanted plan structured_illumination, found {plan}"
            )
        self.record = record
        self.start = record.start["acquisition"]
        self.elements: tuple[str, ...] = tuple(self.start["elements"])
        self.pixel_size_m = float(self.start["pixel_size_m"])
        self._params = record.start["params"]
        self.regions: dict[str, tuple[int, int, int, int]] = dict(self._params.get("regions") or {})
        self._reader = SweepReader(record, SCALERS)
        self._library = None if library is None else Library(record, library)
        self._pairing = BlockPairing(record.start, self._reader, self._library)
        self._references: list[Row] = []
        self._blocks: dict[int, Block] = {}
        self._settled: dict[int, SettledBlock] = {}
        self._areas: LineAreas | None = None

    def push(self, rows: Iterable[Row]) -> None:
        """Take in rows of the stream ``points``."""
        for row in rows:
            if row["status"] == "flagged":
                continue
            if row["kind"] == "reference":
                self._references += [row] if row["frame"] >= 0 else []
                continue
            block = self._blocks.setdefault(int(row["block"]), Block())
            (block.within if row["kind"] == "in" else block.out)[int(row["pattern"])] = row
            if self._library is not None and int(row["pattern"]) in self._library.rows:
                block.out[int(row["pattern"])] = self._library.rows[int(row["pattern"])]

    def settle(self, *, final: bool = False) -> bool:
        """Work on blocks that are complete; ``final``: also on the last one. Whether there was any."""
        last = max(self._blocks, default=-1)
        due = [
            number
            for number in sorted(self._blocks)
            if number not in self._settled and (final or number < last) and self._blocks[number].numbers()
        ]
        for number in due:
            self._settled[number] = self._pairing.settle(self._blocks[number])
            self._areas = None
        return bool(due)

    @property
    def patterns(self) -> int:
        """Patterns worked on, the excluded ones and those that the library lacks too."""
        return sum(len(block.numbers) for block in self._settled.values()) + self._lacked()

    def _lacked(self) -> int:
        """Patterns that were taken with the sample, and are not in the library."""
        if self._library is None:  # the pass without the sample may be still to come
            return 0
        return sum(block.without_pattern() for block in self._blocks.values())

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which of them are used, (patterns,)."""
        return self.excluded == 0

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the patterns worked on, (patterns,)."""
        return np.concatenate([block.numbers for block in self._ordered()])

    @property
    def indices(self) -> NDArray[np.int64]:
        """Where their spectra are in their stream, -1 for none, (patterns,)."""
        return np.concatenate([block.indices for block in self._ordered()])

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers of the patterns that are used, in the order of `sweep`."""
        return tuple(int(number) for number in self.numbers[self.good])

    @property
    def excluded(self) -> NDArray[np.uint8]:
        """Sum of `Exclusion` for each, (patterns,)."""
        flags = np.concatenate([block.pairs.excluded for block in self._ordered()])
        flags[self.areas().flags != 0] |= np.uint8(Exclusion.SPECTRUM)
        return flags

    def exclusions(self) -> dict[str, int]:
        """How many patterns are left out, by reason."""
        found: Counter[str] = Counter()
        if self._lacked():
            found[NO_PATTERN] = self._lacked()
        for flags in self.excluded:
            found.update(str(reason.name).lower() for reason in Exclusion if reason and reason & int(flags))
        return dict(found)

    def doubts(self) -> tuple[str, ...]:
        """What may be wrong where lines do not fit most spectra, in a line; else none."""
        areas = self.areas()
        poor, fitted = areas.flags & Trouble.POOR_FIT > 0, ", ".join(areas.elements)
        if 2 * np.count_nonzero(poor) <= poor.size:
            return ()
        return (
            f"lines of {fitted} do not fit {np.count_nonzero(poor)} of {poor.size} spectra: "
            "an element not named?",
        )

    def areas(self) -> LineAreas:
        """Counts of lines for each pattern worked on, with what stands around.

        Raises
        ------
        ReconstructionError
            There are no spectra yet, or too few counts to find the energy scale.
        """
        if self._areas is None:
            spectra = np.concatenate([block.spectra for block in self._ordered()])
            scalers = np.concatenate([block.scalers for block in self._ordered()])
            total = spectra.sum(axis=0)
            model = refined(model_of(self.start), total)
            self._areas = line_areas(
                spectra,
                scalers,
                model,
                limits_of(self.start),
                exposure_s=self.start["exposure_s"],
                all_spectra=total,
            )
        return self._areas

    def sweep(self) -> Sweep:
        """Patterns that are good, and their counts.

        Raises
        ------
        ReconstructionError
            No pattern is good yet.
        """
        good, areas = self.good, self.areas()
        if not good.any():
            raise ReconstructionError(
                "; ".join(
                    (f"run {self.record.uid[:8]}: no pattern is good: {self.exclusions()}", *self.doubts())
                )
            )
        light = np.concatenate([block.light for block in self._ordered()])[good]
        light /= np.median(light)
        wanted = [areas.elements.index(element) for element in self.elements]
        counts, sigma = (values[wanted][:, good] / light for values in (areas.areas, areas.sigma))
        patterns = np.concatenate([block.pairs.patterns for block in self._ordered()])[good]
        return Sweep(patterns, counts, sigma)

    def guide(self) -> Guide:
        """TXM image of the sample, from all good patterns together.

        Raises
        ------
        ReconstructionError
            A pixel had no light.
        """
        top, bottom, squares, products, out_squares = (
            np.sum([getattr(block.pairs, name) for block in self._ordered()], axis=0)
            for name in ("top", "bottom", "squares", "products", "out_squares")
        )
        if not self._settled or not (bottom > 0).all():
            raise ReconstructionError(
                f"run {self.record.uid[:8]}: wanted light in all pixels; choose a smaller roi"
            )
        transmission = top / bottom
        spread = squares - 2 * transmission * products + transmission**2 * out_squares
        number = sum(int(block.pairs.good.sum()) for block in self._ordered())
        sigma = np.sqrt(np.maximum(spread, 0) * number / max(number - 1, 1)) / bottom
        return Guide(transmission, np.maximum(sigma, _LEAST_SIGMA * np.median(sigma) + 1e-9))

    def half_guides(self) -> tuple[FloatArray, FloatArray]:
        """TXM image from every second pattern, and from the others, (ny, nx) each."""
        top, bottom, even_top, even_bottom = (
            np.sum([getattr(block.pairs, name) for block in self._ordered()], axis=0)
            for name in ("top", "bottom", "even_top", "even_bottom")
        )
        return even_top / even_bottom, (top - even_top) / (bottom - even_bottom)

    def summed_fit(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sum of all spectra, what was fitted to it, energies of the bins in keV; (fitted bins,) each."""
        total = np.sum([block.spectra.sum(axis=0) for block in self._ordered()], axis=0)
        return fit_of_sum(self.areas().model, total)

    def all_times(self) -> tuple[FloatArray, FloatArray]:
        """Live and real time of every spectrum in the file, seconds, (spectra,) each."""
        counts, scalers = self._reader.spectra(range(self._reader.spectra_written()))
        limits = limits_of(self.start)
        live = live_times(scalers, counts.sum(axis=1), limits.dead_s, dead_error=limits.dead_error)
        return np.nan_to_num(live.live_s), live.real_s

    def pattern_shifts(self) -> FloatArray:
        """How far the patterns moved between the passes of each block, pixels, (blocks, 2)."""
        return np.array([block.pairs.shift for block in self._ordered()])

    def sample_shifts(self) -> FloatArray:
        """How far the sample stood in each block from where it was in the first, pixels, (blocks, 2)."""
        return np.array([block.sample_shift for block in self._ordered()])

    def reference_shifts(self) -> list[ReferenceShift]:
        """How far each frame of a reference pattern stood from the first one of it."""
        return reference_shifts(self._reader, self._references)

    @property
    def by_ring_current(self) -> int:
        """Patterns of blocks in which the ring current stands in for the beam monitor."""
        return sum(len(block.numbers) for block in self._settled.values() if block.by_ring_current)

    def ready(self) -> bool:
        """Whether frames and spectra of all rows that came, of blocks not yet worked on, can be read."""
        blocks = [block for number, block in self._blocks.items() if number not in self._settled]
        last = [block.within[max(block.within)] for block in blocks if block.within]
        if self._library is None:
            last += [block.out[max(block.out)] for block in blocks if block.out]
        return all(self._reader.has(row) for row in last)

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
        if self._library is not None:
            self._library.close()

    def _ordered(self) -> list[SettledBlock]:
        if not self._settled:
            raise ReconstructionError(
                f"run {self.record.uid[:8]}: wanted patterns with the sample in and out, found none"
            )
        return [self._settled[number] for number in sorted(self._settled)]
