"""Where the time of a run went, in words."""

from xsn_acq.storage.run import RunRecord

STREAM = "run_times"
"""Of one row, seconds: ``duration_s``, and of it ``exposures_s``, ``motors_s``, ``overhead_s``."""


def run_time(record: RunRecord) -> str:
    """Say where the time of a run went; empty where it does not tell.

    Exposures and motors are those that were asked for: where a simulated clock runs faster than real time
    they take longer than the run, and nothing is said of the rest.
    """
    rows = record.rows(STREAM)
    if not rows:
        return ""
    duration, exposures, motors, rest = (
        float(rows[-1][name]) for name in ("duration_s", "exposures_s", "motors_s", "overhead_s")
    )
    if rest < 0:
        nominal = f"exposures {exposures:.1f}, motors {motors:.1f}"
        return f"{duration:.0f} s; nominal, the clock of a simulation runs faster: {nominal}"
    return f"{duration:.0f} s: exposures {exposures:.1f}, motors {motors:.1f}, all else {rest:.1f}"
