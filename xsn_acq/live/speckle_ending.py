"""How a speckle scan ended, which is the end of all its positions, and which positions it lacks."""

from collections.abc import Mapping, Sequence
from typing import Any

from xsn_acq.live.offline import Ending, ending
from xsn_acq.live.results import read_status
from xsn_acq.storage.journal import RunSummary, is_being_written, list_runs
from xsn_acq.storage.layout import DataFolder, results_uid
from xsn_acq.storage.run import RunRecord


def number_of(start: Mapping[str, Any]) -> int:
    """Which position of the diffuser a run was taken at, from 0, by its start document."""
    return int((start.get("speckle") or {}).get("number") or 0)


def missing_positions(runs: Sequence[RunRecord], count: int) -> list[int]:
    """Positions of ``count`` that have no run, from 0."""
    return sorted(set(range(count)) - {number_of(run.start) for run in runs})


def awaited_position(data: DataFolder, start: Mapping[str, Any]) -> int | None:
    """Position, from 0, whose run makes the volume of the series rather than this one; None: this one does.

    That of a run that is being taken, or of a later one that has ended and is still worked on. A run whose
    session has died has no end to come, and is not waited for.
    """
    series = results_uid(start)
    for run in reversed(list_runs(data.journal)):
        if run.results_uid != series or run.uid == start["uid"]:
            continue
        later = run.start_time > float(start["time"])
        if is_being_written(run.path) or (later and run.complete and _is_worked_on(data, run)):
            return number_of({"speckle": run.speckle})
    return None


def _is_worked_on(data: DataFolder, run: RunSummary) -> bool:
    """Whether a live worker has begun with a run and not come to its end."""
    status = read_status(data.results(run.uid))
    return status is not None and not status.ended


def ending_of(runs: Sequence[RunRecord]) -> Ending:
    """Say whether a scan was whole, and what it lacks.

    Parameters
    ----------
    runs : sequence of RunRecord
        One or more; those of one position oldest first. The last one tells how the position ended: it went
        on with what the others lacked.
    """
    last = {number_of(run.start): run for run in runs}
    ends = [ending(last[number]) for number in sorted(last)]
    count = int((runs[0].start.get("speckle") or {}).get("count") or 1)
    missing = missing_positions(runs, count)
    if missing:
        message = f"{count - len(missing)} of {count} diffuser positions are there"
        ends.append({"state": "partial", "message": message})
    messages = dict.fromkeys(end["message"] for end in ends if end["message"])
    whole = all(end["state"] == "done" for end in ends)
    return {"state": "done" if whole else "partial", "message": "; ".join(messages)}


def with_warnings(end: Ending, warnings: Sequence[str]) -> Ending:
    """Return the same, with what is to be known of the result."""
    return {"state": end["state"], "message": "; ".join(filter(None, [end["message"], *warnings]))}
