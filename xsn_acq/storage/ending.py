"""How a run stands or ended: one word, and the reason that its stop document gives."""

from xsn_acq.storage.journal import RunSummary, is_being_written

_WORDS = {"success": "complete", "abort": "ABORTED", "fail": "FAILED"}
_INCOMPLETE = "incomplete: "


def state_of(run: RunSummary) -> tuple[str, str]:
    """Say in a word how a run stands, and why.

    Returns
    -------
    word : str
        ``complete``; ``INCOMPLETE`` (it came to its end, but frames are missing), ``ABORTED`` (broken off),
        ``FAILED``; without a stop document ``running``, or ``INTERRUPTED`` when no session has it open.
    reason : str
        Empty when there is nothing to tell.
    """
    if not run.complete:
        return ("running" if is_being_written(run.path) else "INTERRUPTED"), ""
    if run.exit_status == "success" and run.reason.startswith(_INCOMPLETE):
        return "INCOMPLETE", run.reason.removeprefix(_INCOMPLETE)
    return _WORDS.get(run.exit_status, run.exit_status.upper()), run.reason
