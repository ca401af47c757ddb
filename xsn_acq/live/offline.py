"""Reconstruct a scan that has been measured: a run of the data folder, or a file that holds one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from xsn_acq.live.executors import Executor, InProcess
from xsn_acq.live.nxtomo_scan import Beside, scan_of_nxtomo
from xsn_acq.live.reconstruction import Paths, Progress, Reconstruction
from xsn_acq.live.results import State, Status, write_status
from xsn_acq.live.scan import Scan, ScanRow, good_rows, scan_of_run, scan_row, span_of
from xsn_acq.live.settings import expected_fields, expected_projections, xsn_settings
from xsn_acq.storage.run import RunRecord


class Ending(TypedDict):
    """How the work on a run ended, for its `Status`."""

    state: State
    message: str


def reconstruct(
    run: RunRecord,
    folder: Path,
    *,
    beta_over_delta: float = 0.0,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Paths:
    """Retrieve the fields of a run and write its volume.

    Pairs that are in the folder's store already, from the live worker or from a call cut short, are not made
    again, nor are slabs of a volume that was begun. Flats taken after the projections are used too.

    Parameters
    ----------
    run : RunRecord
        Complete, or as far as an interrupted run went.
    folder : Path
        Results go here.
    beta_over_delta : float
        Of a sample of one material: frames without a partner are retrieved alone. 0 leaves them out.
    executor : Executor, optional
        Where the work is done; in this process if not given.
    progress : callable, optional
        See `Progress`.

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
    rows = [scan_row(row) for row in good_rows(run.ledger)]
    scan = _of_one_material(scan_of_run(run, span_of(rows)), beta_over_delta)
    return reconstruct_scan(scan, rows, folder, ending(run), executor=executor, progress=progress, record=run)


def reconstruct_file(
    path: Path,
    folder: Path,
    beside: Beside | None = None,
    *,
    beta_over_delta: float = 0.0,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Paths:
    """Do the same for an NXtomo file.

    Parameters
    ----------
    path : Path
    folder : Path
        Results go here.
    beside : Beside, optional
        What is said beside the file.
    beta_over_delta, executor, progress
        See `reconstruct`.

    Raises
    ------
    ReconstructionError, StorageError, ConfigError
        See `xsn_acq.live.nxtomo_scan.scan_of_nxtomo`, and `reconstruct`.
    """
    scan, rows = scan_of_nxtomo(path, beside)
    scan = _of_one_material(scan, beta_over_delta)
    xsn_settings(scan.start)
    expected = expected_projections(scan.start)
    end: Ending = {"state": "done", "message": ""}
    if len(rows) < expected:
        end = {"state": "partial", "message": f"{path}: {len(rows)} of {expected} projections are there"}
    return reconstruct_scan(scan, rows, folder, end, executor=executor, progress=progress)


def reconstruct_scan(
    scan: Scan,
    rows: Sequence[ScanRow],
    folder: Path,
    end: Ending,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    record: RunRecord | None = None,
) -> Paths:
    """Do the same for any scan; ``rows`` are its good projections, ``end`` says how it ended."""
    if executor is None:
        with InProcess() as here:
            return reconstruct_scan(scan, rows, folder, end, executor=here, progress=progress, record=record)
    with Reconstruction(scan, folder, record) as work:
        work.retrieve(rows, executor, progress)
        paths = work.finish(executor, progress)
        pairs = work.pairs
    status = Status(
        scan.uid, frames=len(rows), pairs=pairs, expected_pairs=expected_fields(scan.start), **end
    )
    write_status(folder, status)
    return paths


def _of_one_material(scan: Scan, beta_over_delta: float) -> Scan:
    if not beta_over_delta:
        return scan
    acquisition = {**scan.start["acquisition"], "beta_over_delta": beta_over_delta}
    return replace(scan, start={**scan.start, "acquisition": acquisition})


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
