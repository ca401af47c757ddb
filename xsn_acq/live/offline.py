"""Reconstruct a scan that has been measured: a run of the data folder, or a file that holds one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict

from xsn_acq.analysis.rings import NONE
from xsn_acq.live.executors import Executor, InProcess
from xsn_acq.live.nxtomo_scan import Beside, scan_of_nxtomo
from xsn_acq.live.reconstruction import Paths, Progress, Reconstruction
from xsn_acq.live.results import State, Status, write_status
from xsn_acq.live.scan import Scan, ScanRow, good_rows, scan_of_run, scan_row, span_of
from xsn_acq.live.settings import expected_fields, expected_projections, xsn_settings
from xsn_acq.storage.run import RunRecord


@dataclass(frozen=True)
class Choices:
    """What a person may want otherwise than the scan says.

    Parameters
    ----------
    beta_over_delta : float
        Of a sample of one material: frames of a scan of half a turn or less are retrieved alone. 0: not.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.
    """

    beta_over_delta: float = 0.0
    rings: str = NONE


class Ending(TypedDict):
    """How the work on a run ended, for its `Status`."""

    state: State
    message: str


def reconstruct(
    run: RunRecord,
    folder: Path,
    *,
    choices: Choices | None = None,
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
    choices : Choices, optional
        What a person may want otherwise.
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
    rows = [scan_row(row) for row in good_rows(run.ledger)]
    scan = _chosen(scan_of_run(run, span_of(rows)), choices)
    xsn_settings(scan.start)
    return reconstruct_scan(scan, rows, folder, ending(run), executor=executor, progress=progress, record=run)


def reconstruct_file(
    path: Path,
    folder: Path,
    beside: Beside | None = None,
    *,
    choices: Choices | None = None,
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
    choices, executor, progress
        See `reconstruct`.

    Raises
    ------
    ReconstructionError, StorageError, ConfigError
        See `xsn_acq.live.nxtomo_scan.scan_of_nxtomo`, and `reconstruct`.
    """
    scan, rows = scan_of_nxtomo(path, beside)
    scan = _chosen(scan, choices)
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


def _chosen(scan: Scan, choices: Choices | None) -> Scan:
    """The scan with the choices in its start document's ``acquisition``."""
    if choices is None:
        return scan
    return replace(
        scan, start={**scan.start, "acquisition": {**scan.start["acquisition"], **asdict(choices)}}
    )


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
