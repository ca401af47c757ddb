"""Reconstruct a run that has been measured: the live code, fed with all rows at once."""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from xsn_acq.live.frames import good_rows
from xsn_acq.live.reconstruction import Paths, Reconstruction
from xsn_acq.live.results import State, Status, write_status
from xsn_acq.live.settings import expected_pairs, xsn_settings
from xsn_acq.storage.run import Row, RunRecord


def reconstruct(run: RunRecord, folder: Path, *, progress: Callable[[int, int], None] | None = None) -> Paths:
    """Retrieve the fields of a run and write its volume.

    Pairs that are in the folder's store already, from the live worker or from a call cut short, are not made
    again. Flats taken after the projections are used too.

    Parameters
    ----------
    run : RunRecord
        Complete, or as far as an interrupted run went.
    folder : Path
        Results go here.
    progress : callable, optional
        Called with (pairs done, pairs expected).

    Returns
    -------
    Paths

    Raises
    ------
    ReconstructionError
        When the run is no XSN tomogram or lacks darks, flats or pairs.
    StorageError
        When frames cannot be read, or results cannot be written.
    """
    xsn_settings(run.start)
    rows = good_rows(run.ledger)
    with Reconstruction(run, folder, span_s=span_of(rows)) as work:
        for row in rows:
            work.push(row, preview=False)
            if progress is not None:
                progress(work.pairs, expected_pairs(run.start))
        paths = work.finish()
        pairs = work.pairs
    status = Status(
        run.uid,
        frames=len(rows),
        pairs=pairs,
        expected_pairs=expected_pairs(run.start),
        **ending(run),
    )
    write_status(folder, status)
    return paths


class Ending(TypedDict):
    """How the work on a run ended, for its `Status`."""

    state: State
    message: str


def ending(run: RunRecord) -> Ending:
    """Say whether a reconstructed run was whole, and what it lacks."""
    if run.stop is None:
        return {"state": "partial", "message": "the run was interrupted"}
    if run.stop["exit_status"] != "success":
        reason = run.stop.get("reason", "")
        return {"state": "partial", "message": f"the run ended early: {run.stop['exit_status']}: {reason}"}
    summary = run.ledger_summary()
    if not summary.get("complete", True):
        return {"state": "partial", "message": str(summary.get("message", ""))}
    return {"state": "done", "message": ""}


def span_of(rows: list[Row]) -> tuple[float, float] | None:
    """Return the times of the first and the last projection, seconds; None without rows."""
    times = [float(row["frame_time"]) for row in rows]
    return (min(times), max(times)) if times else None
