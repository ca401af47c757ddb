"""A speckle scan as a reconstruction sees it: a run for each position of the diffuser, matched by angle."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from xsn_acq.analysis.pwf.settings import FEWEST_FREE
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.scan import Scan, ScanRow, good_rows, scan_of_run, scan_row, span_of
from xsn_acq.live.speckle_ending import number_of
from xsn_acq.storage.layout import results_uid
from xsn_acq.storage.run import RunRecord

TECHNIQUE = "pwf"
_ALIKE = 0.1
"""Two angles are the same when they differ by less than this part of a step."""
_AGREEING = {
    "frame_shape": 0.0,
    "binning": 0.0,
    "roi": 0.0,
    "mode": 0.0,
    "wavelength_m": 1e-3,
    "pixel_size_m": 1e-3,
    "sample_to_diffuser_m": 1e-3,
    "diffuser_to_scintillator_m": 1e-3,
}
"""Entries of ``acquisition`` in which all runs of a scan must agree, and by what part they may differ: energy
is read back for each run, a count of the encoder is 1e-6 of it, and 1e-3 is a thousandth of the phase."""


@dataclass(frozen=True)
class View:
    """One angle: the projection of each position of the diffuser, None where it was lost."""

    theta_deg: float
    rows: tuple[ScanRow | None, ...]

    @property
    def index(self) -> int:
        """Which frame stands for the angle: that of the first position that has one."""
        return next(row.index for row in self.rows if row is not None)

    @property
    def images(self) -> int:
        """Number of projections."""
        return sum(row is not None for row in self.rows)


@dataclass(frozen=True)
class SpeckleScan:
    """Runs of one series, each at its position of the diffuser.

    Attributes
    ----------
    start : dict
        Start document of the first.
    positions : tuple of Scan
        Each with its darks, flats, references and projections; a position that was interrupted and gone on
        with has several, with references of their own.
    """

    start: dict[str, Any]
    positions: tuple[Scan, ...]

    @property
    def uid(self) -> str:
        """Uid of the first run."""
        return str(self.start["uid"])

    def plain(self) -> dict[str, Any]:
        """All that another process needs to read the frames, as values that JSON knows."""
        return {"start": {"uid": self.uid}, "positions": [scan.plain() for scan in self.positions]}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Read back what `plain` made; of the start document the uid alone is left."""
        return cls(plain["start"], tuple(Scan.from_plain(scan) for scan in plain["positions"]))


def is_speckle(start: Mapping[str, Any]) -> bool:
    """Whether a start document belongs to a run of this technique."""
    return start.get("technique") == TECHNIQUE


def speckle_scan(runs: Sequence[RunRecord]) -> tuple[SpeckleScan, list[View]]:
    """Put the runs of one series together.

    Parameters
    ----------
    runs : sequence of RunRecord
        One for each position of the diffuser, in any order; several for a position that was interrupted.

    Returns
    -------
    SpeckleScan
    list of View
        By rising angle. A projection that was lost at one position is None there.

    Raises
    ------
    ReconstructionError
        A run lacks darks, flats, references or projections, runs are not of one series, or no angle is left.
    """
    ordered = sorted(runs, key=lambda run: number_of(run.start))
    _require_alike(ordered)
    rows = [[scan_row(row) for row in good_rows(run.ledger)] for run in ordered]
    scans = tuple(_scan(run, span_of(own)) for run, own in zip(ordered, rows, strict=True))
    scan = SpeckleScan(ordered[0].start, scans)
    views = views_of(rows, abs(float(scan.start["acquisition"]["step_deg"])))
    if not views:
        raise ReconstructionError(f"run {scan.uid[:8]}: wanted good projections, found none")
    return scan, views


def views_of(rows: Sequence[Sequence[ScanRow]], step_deg: float) -> list[View]:
    """Projections of all positions by rising angle; those whose angles agree are one view.

    >>> one, other = ScanRow(0, 0.0, 0.0), ScanRow(0, 90.01, 5.0)
    >>> [view.theta_deg for view in views_of([[one], [other]], 90.0)]
    [0.0, 90.01]
    """
    known = sorted(
        ((row.theta_deg, position, row) for position, own in enumerate(rows) for row in own),
        key=lambda each: each[:2],
    )
    views: list[View] = []
    for theta, position, row in known:
        last = views[-1] if views else None
        if last is not None and abs(theta - last.theta_deg) < _ALIKE * step_deg:
            if last.rows[position] is None:
                found = list(last.rows)
                found[position] = row
                views[-1] = replace(last, rows=tuple(found))
            continue
        single: list[ScanRow | None] = [None] * len(rows)
        single[position] = row
        views.append(View(theta, tuple(single)))
    return views


def free_warnings(views: Sequence[View]) -> list[str]:
    """What mode free has to say of angles with too few projections, one line or none.

    Raises
    ------
    ReconstructionError
        Most angles have too few.
    """
    few = sum(view.images < FEWEST_FREE for view in views)
    if 2 * few > len(views):
        usual = sorted(view.images for view in views)[len(views) // 2]
        raise ReconstructionError(
            f"speckle retrieval: mode free: wanted {FEWEST_FREE} diffuser positions or more, found {usual}; "
            "take more, or mode single_material for a sample of one material"
        )
    if not few:
        return []
    return [
        f"mode free: {few} of {len(views)} angles have fewer than {FEWEST_FREE} projections; there phase and "
        "absorption are hardly told apart"
    ]


def _scan(run: RunRecord, span_s: tuple[float, float] | None) -> Scan:
    scan = scan_of_run(run, span_s)
    if not scan.references:
        raise ReconstructionError(
            f"run {run.uid[:8]}: wanted references, found none; the run ended too early to be reconstructed"
        )
    return scan


def _require_alike(runs: Sequence[RunRecord]) -> None:
    """Refuse runs of other techniques, of several series, or taken otherwise."""
    for run in runs:
        if not is_speckle(run.start):
            raise ReconstructionError(
                f"run {run.uid[:8]}: technique: wanted {TECHNIQUE}, found {run.start.get('technique')!r}"
            )
    first = runs[0]
    for run in runs[1:]:
        if results_uid(run.start) != results_uid(first.start):
            raise ReconstructionError(f"runs {first.uid[:8]} and {run.uid[:8]}: wanted one series, found two")
        for name, part in _AGREEING.items():
            wanted, found = first.start["acquisition"].get(name), run.start["acquisition"].get(name)
            if not _alike(wanted, found, part):
                raise ReconstructionError(
                    f"runs {first.uid[:8]} and {run.uid[:8]}: {name}: wanted {wanted}, found {found}"
                )


def _alike(wanted: Any, found: Any, part: float) -> bool:
    """Whether two entries agree within a part of the first; entries without numbers, exactly."""
    if not part or wanted is None or found is None:
        return bool(np.all(np.asarray(wanted) == np.asarray(found)))
    return math.isclose(wanted, found, rel_tol=part)
