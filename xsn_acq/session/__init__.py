"""A session: RunEngine, devices, journal and publisher, built in one place.

The command line, IPython and a queue server all open the same session.
"""

from xsn_acq.session.documents import check_pages_by_column, harmless, with_baseline
from xsn_acq.session.library import refuse_library
from xsn_acq.session.opening import Session, open_session
from xsn_acq.session.table import (
    PLANS,
    PlanEntry,
    plan_parameters,
    plan_summary,
    refuse_infeasible,
    refuse_technique,
)

__all__ = [
    "PLANS",
    "PlanEntry",
    "Session",
    "check_pages_by_column",
    "harmless",
    "open_session",
    "plan_parameters",
    "plan_summary",
    "refuse_infeasible",
    "refuse_library",
    "refuse_technique",
    "with_baseline",
]
