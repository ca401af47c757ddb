"""Parameters of structured-illumination chemical imaging."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.params.base import Params
from xsn_acq.params.camera import CameraParams
from xsn_acq.params.energy import Regions

Millimetres = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]
Step = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]

MOST_PATTERNS = 100_000
"""Of a sweep, at all condenser settings together."""


class CondenserSetting(Params):
    """Where the condenser stands for a sweep; another setting gives other patterns."""

    x_um: Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)] = 0.0
    """Across the beam, um."""
    y_um: Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)] = 0.0
    """Upwards, um."""
    pitch_urad: Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)] = 0.0
    """About x, urad."""
    yaw_urad: Annotated[float, Field(ge=-10_000, le=10_000, allow_inf_nan=False)] = 0.0
    """About y, urad."""


class Sheets(Params):
    """Where the two sheets of sandpaper stand, and how far they go from pattern to pattern.

    Both go along x from pattern to pattern and along y from line to line; on the fly the coarse one stands in
    a line. Steps of different size make the two patterns pass over each other.
    """

    fine_x_mm: Millimetres = -5.0
    """First place of the fine sheet, mm."""
    fine_y_mm: Millimetres = -5.0
    """First line of the fine sheet, mm."""
    coarse_x_mm: Millimetres = -5.0
    """First place of the coarse sheet, mm."""
    coarse_y_mm: Millimetres = -5.0
    """First line of the coarse sheet, mm."""
    step_mm: Step = 0.05
    """The fine sheet between patterns, mm, to 10: more than a grain."""
    line_mm: Step = 0.5
    """Between lines of the fine sheet, mm, to 10: more than the field before the condenser."""
    coarse_step_mm: Step = 0.08
    """The coarse sheet between patterns, mm, to 10."""
    coarse_line_mm: Step = 0.5
    """Between lines of the coarse sheet, mm, to 10."""


class Adaptive(Params):
    """When a sweep ends before its last pattern.

    ``quality`` is the relative error of the maps that is wanted: the sweep ends when the error that is
    expected falls below it. Patterns that add less than ``least_gain`` to what is known are reason to go on
    with the next condenser setting.
    """

    quality: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Wanted relative error of the maps, to 1."""
    least: Annotated[int, Field(ge=4, le=100_000)] = 32
    """Patterns that are taken in any case, 4 or more."""
    least_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Least fraction of the patterns of a block that are new; 0: all settings are gone through."""


class StructuredIllumination(CameraParams):
    """Random patterns of light, each with an image and a fluorescence spectrum, sample in and sample out.

    Patterns are counted line by line; in every second line the sheet goes back. Blocks of lines are taken
    with the sample in, then the same patterns without it (the next block the other way round).

    >>> StructuredIllumination(lines=4, per_line=25).patterns
    100
    """

    exposure_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 0.5
    """Exposure of one pattern, image and spectrum, seconds, to 600."""
    mode: Literal["step", "fly"] = "step"
    """``step``: the sheets stand. ``fly``: the fine sheet moves on, and gates both detectors together."""
    passes: Literal["pairs", "in", "out"] = "pairs"
    """Sample in and out; ``in`` alone, with the images of ``library``; ``out`` alone: a library, no dose."""
    library: Annotated[str, Field(pattern=r"^[0-9a-f-]{0,36}$")] = ""
    """Uid, or its beginning, of the run whose sample-out images are used; with ``passes: in``."""
    lines: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Lines of patterns at each condenser setting, 1 to 10000; of all patterns there are 100000 at most."""
    per_line: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Patterns in a line, 1 to 10000."""
    lines_per_block: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Lines between two moves of the sample, 1 or more; after an even number the sheet is where it began."""
    chosen: Annotated[tuple[int, ...], Field(strict=False, max_length=MOST_PATTERNS)] = ()
    """Patterns that are taken, by number, where not all are: see the rehearsal of a library; step mode."""
    sheets: Sheets = Field(default_factory=Sheets)
    """Places of the sandpaper."""
    settings: Annotated[tuple[CondenserSetting, ...], Field(strict=False, min_length=1, max_length=100)] = (
        CondenserSetting(),
    )
    """Condenser settings; all lines are taken at each."""
    references_every: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Pattern 0 is taken again, sample in, before every so many blocks: drift of the light; 0: never."""
    elements: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=20)] = (
        "Mn",
        "Co",
        "Ni",
    )
    """Elements that are mapped, by symbol."""
    regions: Regions = Field(default_factory=dict)
    """Regions whose sums are told beside those of particles: first column, first row, columns, rows."""
    adaptive: Adaptive | None = None
    """When to end early; none: all patterns are taken."""

    @property
    def per_setting(self) -> int:
        """Patterns at each condenser setting."""
        return self.lines * self.per_line

    @property
    def patterns(self) -> int:
        """Patterns of the whole sweep, or those that were chosen."""
        return len(self.numbers)

    @property
    def numbers(self) -> Sequence[int]:
        """Patterns that are taken, by number."""
        return self.chosen or range(self.whole)

    @property
    def triggered(self) -> bool:
        """Whether each frame waits for a pulse."""
        return self.mode == "fly"

    @property
    def pattern_passes(self) -> int:
        """How often each pattern is taken."""
        return 2 if self.passes == "pairs" else 1

    @property
    def blocks(self) -> int:
        """Blocks of lines, of those patterns that are taken."""
        if not self.chosen:
            return len(self.settings) * -(-self.lines // self.lines_per_block)
        lines = {divmod(pattern // self.per_line, self.lines) for pattern in self.chosen}
        return len({(setting, line // self.lines_per_block) for setting, line in lines})

    @property
    def references(self) -> int:
        """Frames of the reference pattern, of a sweep that goes to its end."""
        if self.references_every == 0 or self.passes == "out":
            return 0
        return -(-self.blocks // self.references_every)

    @property
    def frames(self) -> int:
        """All frames of a sweep that goes to its end."""
        return self.darks + self.pattern_passes * self.patterns + self.references

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        faults = [*self._library_faults(), *_chosen_faults(self.chosen, self.mode, self.whole)]
        if self.whole > MOST_PATTERNS:
            faults.append(
                f"lines: wanted {MOST_PATTERNS} patterns or fewer (lines x per_line x settings), "
                f"found {self.whole}"
            )
        faults += [
            f"regions: {name}: wanted first column and row of 0 or more, 1 or more of each, found {box}"
            for name, box in self.regions.items()
            if min(box[:2]) < 0 or min(box[2:]) < 1
        ]
        if len(set(self.elements)) < len(self.elements):
            faults.append(f"elements: wanted each once, found {', '.join(self.elements)}")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def whole(self) -> int:
        """Patterns there are to choose from."""
        return self.per_setting * len(self.settings)

    def _library_faults(self) -> list[str]:
        if bool(self.library) == (self.passes == "in"):
            return []
        wanted = "the uid of a run" if self.passes == "in" else "none"
        return [f"library: wanted {wanted} with passes: {self.passes}, found {self.library or 'none'}"]


def _chosen_faults(chosen: Sequence[int], mode: str, patterns: int) -> list[str]:
    if not chosen:
        return []
    faults = [] if mode == "step" else [f"chosen: wanted with mode: step, found {mode}"]
    if min(chosen) < 0 or max(chosen) >= patterns or len(set(chosen)) < len(chosen):
        faults.append(f"chosen: wanted different patterns, 0 to {patterns - 1}, found others")
    return faults
