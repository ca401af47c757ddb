"""Blocks of a sweep: rows by pattern, then patterns at the sample, spectra, light."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.analysis.matching import match
from xsn_acq.analysis.nxsci.pairs import PatternPairs, pair_patterns
from xsn_acq.analysis.shift import shift_image
from xsn_acq.live.sweep_library import Library
from xsn_acq.live.sweep_light import block_light
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.params.camera import BITS
from xsn_acq.storage.run import Row
from xsn_acq.storage.sweep import SweepReader

_SURE_SHIFT = 6.0
"""Significance of a shift of the sample that is undone."""


@dataclass
class Block:
    """Rows of one block by pattern, in the order in which they came."""

    within: dict[int, Row] = field(default_factory=dict)
    out: dict[int, Row] = field(default_factory=dict)

    def numbers(self) -> list[int]:
        """Patterns that were taken with and without the sample, in the order in which it was in."""
        return [number for number in self.within if number in self.out]

    def without_pattern(self) -> int:
        """How many were taken with the sample alone."""
        return len(self.within) - len(self.numbers())


@dataclass(frozen=True, eq=False)
class SettledBlock:
    """A block that has been worked on, of n patterns.

    Attributes
    ----------
    numbers : (n,)
        Of the patterns.
    pairs : PatternPairs
        The sample where it stood in the first block.
    light : (n,)
        Of the pattern while its spectrum was counted.
    by_ring_current : bool
        Whether the ring current stood in for the beam monitor.
    spectra, scalers : (n, bins), (n, s)
    indices : (n,)
        Of the spectra in their stream; -1 for none.
    sample_shift : (2,)
        Rows and columns, pixels: so far the sample stood from where it was in the first block.
    """

    numbers: NDArray[np.int64]
    pairs: PatternPairs
    light: FloatArray
    by_ring_current: bool
    spectra: FloatArray
    scalers: FloatArray
    indices: NDArray[np.int64]
    sample_shift: FloatArray


class BlockPairing:
    """Works on blocks of a run.

    Parameters
    ----------
    start : mapping
        Start document.
    reader : SweepReader
        Of the run.
    library : Library or None
    """

    def __init__(self, start: Mapping[str, Any], reader: SweepReader, library: Library | None) -> None:
        self._exposure_s = float(start["acquisition"]["exposure_s"])
        self._saturation = 2.0 ** BITS[start["params"]["readout_port"]] - 1
        self._reader, self._library = reader, library
        self._dark: FloatArray | None = None
        self._first: PatternPairs | None = None

    def settle(self, block: Block) -> SettledBlock:
        """Read a block and pair its patterns; the sample is brought to where it stood in the first.

        Raises
        ------
        StorageError
            Frames or spectra are missing.
        """
        numbers = block.numbers()
        within = [block.within[number] for number in numbers]
        out = [block.out[number] for number in numbers]
        if self._dark is None:
            self._dark = self._reader.dark()
        exposure_out_s = self._exposure_s if self._library is None else self._library.exposure_s
        light = block_light(out, within, exposure_out_s, self._exposure_s)
        pairs = pair_patterns(
            self._out_frames(out, self._dark),
            self._reader.frames([row["frame"] for row in within]),
            self._dark,
            light.out,
            light.within,
            saturation=self._saturation,
        )
        indices = [int(row["spectrum"]) for row in within]
        spectra, scalers = self._reader.spectra(indices)
        pairs, shift = self._in_place(pairs)
        seen = pairs.light * light.within
        return SettledBlock(
            np.array(numbers),
            pairs,
            seen,
            light.by_ring_current,
            spectra,
            scalers,
            np.array(indices),
            shift,
        )

    def _out_frames(self, rows: list[Row], dark: FloatArray) -> FloatArray:
        """Frames without the sample, as if with the dark of this run."""
        numbers = [row["frame"] for row in rows]
        if self._library is None:
            return self._reader.frames(numbers)
        return self._library.frames(numbers) - (self._library.dark - dark)

    def _in_place(self, pairs: PatternPairs) -> tuple[PatternPairs, FloatArray]:
        """Undo how far the sample stands from where it was in the first block, where that can be told."""
        if not pairs.good.any() or not (pairs.bottom > 0).all():
            return pairs, np.zeros(2)
        if self._first is None:
            self._first = pairs
            return pairs, np.zeros(2)
        before, now = (each.top / each.bottom for each in (self._first, pairs))
        found = match(before, now, weighted=True)
        if found.significance < _SURE_SHIFT:
            return pairs, np.zeros(2)
        return _moved(pairs, -found.shift), found.shift


_IMAGES = ("top", "bottom", "even_top", "even_bottom", "squares", "products", "out_squares")


def _moved(pairs: PatternPairs, shift: FloatArray) -> PatternPairs:
    """All images of a block moved by rows and columns."""
    rows, columns = float(shift[0]), float(shift[1])
    images: dict[str, Any] = {name: shift_image(getattr(pairs, name), rows, columns) for name in _IMAGES}
    patterns = np.stack([shift_image(pattern, rows, columns) for pattern in pairs.patterns])
    return replace(pairs, patterns=patterns, **images)
