"""A run without frames: what happened between runs stands in the journal too."""

import logging
from collections.abc import Mapping
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.utils import FailedStatus, RunEngineControlException

from xsn_acq.plans.steps import Plan

logger = logging.getLogger(__name__)


def tell_failure(start: Mapping[str, Any], error: Exception, broken_off: str) -> Plan:
    """Open and close a run that says what failed, or what was broken off.

    Parameters
    ----------
    start : mapping
        Start document.
    error : Exception
        What ended the plan.
    broken_off : str
        What to say when it was no failure but an abort.
    """
    if isinstance(error, RunEngineControlException):
        status, reason = error.exit_status, f"broken off: {broken_off}"
    else:
        status, reason = "fail", str(error)
    try:
        yield from bps.open_run(dict(start))
    except Exception as another:
        logger.warning("at the start of the run that tells of a failure: %s", another)
    try:
        yield from bps.close_run(exit_status=status, reason=reason)
    except FailedStatus as late:  # of an operation that nobody waits for any more
        logger.warning("after %r: %s", error, late)
