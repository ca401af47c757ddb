"""A sweep without the sample: which of its patterns are worth a dose, as parameters of the sweep with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.ndimage import gaussian_filter

from xsn_acq.analysis.nxsci.choosing import Choice, choose_patterns
from xsn_acq.analysis.nxsci.dependence import Dependence, mean_dependence
from xsn_acq.analysis.nxsci.information import effective_rank, smooth_prior
from xsn_acq.analysis.nxsci.invertibility import invertibility
from xsn_acq.analysis.nxsci.patterns import normalise_patterns
from xsn_acq.analysis.nxsci.problem import Guide, Sweep
from xsn_acq.analysis.nxsci.pseudo_inverse import PseudoInverseSolver
from xsn_acq.errors import ReconstructionError, StorageError
from xsn_acq.live.assessment import REHEARSAL_NOISE
from xsn_acq.live.sweep import is_sweep
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.params import StructuredIllumination
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.sweep import SweepReader

NAME = "structured_illumination.yaml"
NEARLY_ALL = 0.9
"""So many are chosen that they tell this share of what all of them tell."""
LEAST = 4
_BLOB_PIXELS = 2.0


@dataclass(frozen=True, eq=False)
class Rehearsed:
    """What a rehearsal says: the patterns chosen, what they are like, parameters, lines for a person."""

    chosen: tuple[int, ...]
    choice: Choice
    dependence: Dependence
    rank: float
    parameters: Path
    lines: tuple[str, ...]


def evaluate_rehearsal(record: RunRecord, data: DataFolder) -> Rehearsed:
    """Choose patterns of a run without the sample, and write the parameters of the sweep that takes them.

    Raises
    ------
    ReconstructionError
        The run is none of structured illumination, or has too few patterns.
    StorageError
        A file cannot be read or written.
    """
    if not is_sweep(record.start):
        raise ReconstructionError(f"run {record.uid[:8]}: wanted structured illumination, found another plan")
    rows = [row for row in record.rows("points") if row["kind"] == "out" and row["status"] == "ok"]
    if len(rows) < LEAST:
        raise ReconstructionError(f"run {record.uid[:8]}: wanted {LEAST} patterns, found {len(rows)}")
    with SweepReader(record, SCALERS) as reader:
        frames = reader.frames([int(row["frame"]) for row in rows])
        patterns = normalise_patterns(frames, reader.dark()).patterns
    choice = choose_patterns(patterns, smooth_prior(patterns.shape[1:]), REHEARSAL_NOISE, len(patterns))
    number = _enough(choice, record.start["params"].get("adaptive"))
    chosen = tuple(sorted(int(rows[place]["pattern"]) for place in choice.order[:number]))
    dependence, rank = mean_dependence(patterns), effective_rank(patterns)
    path = _write(data.results(record.uid) / NAME, record, chosen)
    back = invertibility(patterns, _picture(patterns.shape[1:]), _pseudo_inverse)
    lines = (
        f"{len(rows)} patterns: effective rank {rank:.0f}, mean |r| of pixels {dependence.absolute:.3f} "
        f"(signed {dependence.signed:.3f}, by chance {dependence.chance:.3f})",
        f"invertibility {back:.2f}: likeness (SSIM) of a picture and its pseudo-inverse reconstruction",
        f"chosen: {number} patterns, expected error {choice.relative_rms[number - 1]:.3f} "
        f"of a map's own variation, all of them {choice.relative_rms[-1]:.3f}",
        f"parameters of the sweep with the sample: {path}",
    )
    return Rehearsed(chosen, choice, dependence, rank, path, lines)


def _picture(shape: tuple[int, int]) -> FloatArray:
    """Random blobs, some 4 pixels wide, between 0 and 1: what should come back."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(shape), _BLOB_PIXELS)
    return np.asarray((noise - noise.min()) / np.ptp(noise))


def _pseudo_inverse(patterns: FloatArray, counts: FloatArray) -> FloatArray:
    """Picture from noise-free counts, a thousandth of their mean taken for noise."""
    sweep = Sweep(patterns, counts, np.array(1e-3 * float(np.mean(counts))))
    return PseudoInverseSolver().solve(sweep, Guide(np.ones(patterns.shape[1:]), np.array(1.0))).values[0]


def _enough(choice: Choice, adaptive: dict[str, Any] | None) -> int:
    """How many of the patterns, in the order of choice, are worth taking."""
    wanted = 1 - NEARLY_ALL * (1 - choice.relative_rms[-1])
    if adaptive is not None:
        wanted = max(wanted, float(adaptive["quality"]))
    return max(LEAST, int(np.argmax(choice.relative_rms <= wanted)) + 1)


def _write(path: Path, record: RunRecord, chosen: tuple[int, ...]) -> Path:
    """Parameters as of the rehearsal, sample in, with its images as library."""
    given = {name: value for name, value in record.start["params"].items() if value is not None}
    params = StructuredIllumination.checked(given)
    whole = len(chosen) == params.whole
    given |= {"passes": "in", "library": record.uid, "chosen": [] if whole else list(chosen)}
    if params.mode == "fly":  # lines are flown whole
        given |= {"chosen": [], **_flown(params, given, record)}
    given.pop("adaptive", None)
    try:
        path.write_text(yaml.safe_dump(given, sort_keys=False, allow_unicode=True), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"parameters {path}: cannot be written: {error.strerror}") from error
    return path


def _flown(params: StructuredIllumination, given: dict[str, Any], record: RunRecord) -> dict[str, Any]:
    """Settings and lines that a rehearsal came to; lines of several settings are kept, for their numbers."""
    taken = [int(row["pattern"]) for row in record.rows("points") if row["status"] == "ok"]
    settings = 1 + max(taken) // params.per_setting
    if settings > 1:
        return {"settings": given["settings"][:settings]}
    return {"settings": given["settings"][:1], "lines": 1 + max(taken) // params.per_line}
