"""What commands make of sweeps of structured illumination."""

from typing import Any


def evaluated(record: Any, data: Any, *, solver: str = "guided", held_out: bool = False) -> list[str]:
    """Make element maps, or choose the patterns of a rehearsal without the sample; what to tell."""
    from xsn_acq.live.rehearsal import evaluate_rehearsal
    from xsn_acq.live.sweep import shows_sample
    from xsn_acq.live.sweep_files import evaluate_sweep
    from xsn_acq.live.sweep_maps import Solving

    if not shows_sample(record.start):
        return list(evaluate_rehearsal(record, data).lines)
    return list(evaluate_sweep(record, data, Solving(solver, held_out)).lines)


def made_of(record: Any, data: Any) -> list[str]:
    """The same, unless the live worker has done it: what it told then."""
    from xsn_acq.live.results import read_status
    from xsn_acq.live.sweep_files import told

    folder = data.results(record.uid)
    status = read_status(folder)
    if status is not None and status.state == "done":
        return told(folder)
    return evaluated(record, data)
