"""In which order patterns are taken, and where everything stands for each: pure, nothing moves.

Motor travel is short: patterns lie along lines of the fine sheet, every second line runs back, and the
sample moves once for a block of lines, not once for a pattern.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from xsn_acq.params import StructuredIllumination
from xsn_acq.params.structured import CondenserSetting

Kind = Literal["in", "out", "reference"]


@dataclass(frozen=True)
class PatternPlace:
    """Where sheets and condenser stand for a pattern."""

    coarse_x_mm: float
    coarse_y_mm: float
    fine_x_mm: float
    fine_y_mm: float
    condenser: CondenserSetting


@dataclass(frozen=True)
class Segment:
    """Patterns that are taken in one go, in this order, all of one line; in step mode a single one.

    ``kind``: with the sample in, out, or in once more for reference. ``block`` counts blocks of the sweep.
    """

    kind: Kind
    block: int
    setting: int
    patterns: tuple[int, ...]

    @property
    def sample_in(self) -> bool:
        """Whether the sample is in the beam."""
        return self.kind != "out"


def place_of(params: StructuredIllumination, pattern: int) -> PatternPlace:
    """Where everything stands for a pattern.

    >>> place_of(StructuredIllumination(lines=2, per_line=3), 4).fine_x_mm  # the second line runs back
    -4.95
    """
    setting, rest = divmod(pattern, params.per_setting)
    line, column = divmod(rest, params.per_line)
    sheets = params.sheets
    along = params.per_line - 1 - column if line % 2 else column
    return PatternPlace(
        coarse_x_mm=sheets.coarse_x_mm + (0 if params.mode == "fly" else along * sheets.coarse_step_mm),
        coarse_y_mm=sheets.coarse_y_mm + line * sheets.coarse_line_mm,
        fine_x_mm=sheets.fine_x_mm + along * sheets.step_mm,
        fine_y_mm=sheets.fine_y_mm + line * sheets.line_mm,
        condenser=params.settings[setting],
    )


def blocks(params: StructuredIllumination, setting: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Blocks of a condenser setting: lines of patterns, those that were chosen."""
    wanted = set(params.chosen)
    first = setting * params.per_setting
    for begin in range(0, params.lines, params.lines_per_block):
        lines = []
        for line in range(begin, min(begin + params.lines_per_block, params.lines)):
            start = first + line * params.per_line
            numbers = range(start, start + params.per_line)
            taken = tuple(number for number in numbers if not wanted or number in wanted)
            lines += [taken] if taken else []
        if lines:
            yield tuple(lines)


def segments(params: StructuredIllumination, setting: int, first_block: int) -> Iterator[tuple[Segment, ...]]:
    """Segments of each block of a condenser setting; blocks are counted from ``first_block``."""
    for block, lines in enumerate(blocks(params, setting), first_block):
        yield tuple(_of_block(params, setting, block, lines))


def _of_block(
    params: StructuredIllumination, setting: int, block: int, lines: tuple[tuple[int, ...], ...]
) -> Iterator[Segment]:
    kinds: tuple[Kind, ...] = ("in", "out") if params.passes == "pairs" else (params.passes,)
    if block % 2:  # the sample stays where the last block left it
        kinds = kinds[::-1]
    due = params.references_every and block % params.references_every == 0
    for kind in kinds:
        if kind == "in" and due:
            yield Segment("reference", block, setting, (setting * params.per_setting,))
        for line in lines:
            parts = (line,) if params.mode == "fly" else tuple((pattern,) for pattern in line)
            yield from (Segment(kind, block, setting, part) for part in parts)


def travel_mm(params: StructuredIllumination) -> float:
    """How far the fine sheet goes in a whole sweep, mm: what an order of patterns costs."""
    place, travel = place_of(params, 0), 0.0
    block = 0
    for setting in range(len(params.settings)):
        for taken in segments(params, setting, block):
            for segment in taken:
                for pattern in segment.patterns:
                    there = place_of(params, pattern)
                    travel += abs(there.fine_x_mm - place.fine_x_mm) + abs(there.fine_y_mm - place.fine_y_mm)
                    place = there
            block += 1
    return travel
