"""What is made of a run of structured illumination."""

from typing import Any


def evaluated(record: Any, data: Any) -> list[str]:
    """Make element maps, or choose the patterns of a rehearsal without the sample; what to tell."""
    from xsn_acq.live.rehearsal import evaluate_rehearsal
    from xsn_acq.live.sweep import shows_sample
    from xsn_acq.live.sweep_files import evaluate_sweep

    evaluate = evaluate_sweep if shows_sample(record.start) else evaluate_rehearsal
    return list(evaluate(record, data).lines)
