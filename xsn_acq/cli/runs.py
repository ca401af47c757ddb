"""``xsn-acq runs``: list what was measured, and what was interrupted."""

import argparse
from datetime import datetime
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("runs", help="list the runs of a data folder, interrupted ones marked")
    options.add_data(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One line for each run."""
    from xsn_acq.storage.journal import list_runs
    from xsn_acq.storage.layout import DataFolder

    for item in list_runs(DataFolder(args.data).journal):
        started = datetime.fromtimestamp(item.start_time).isoformat(" ", "seconds")
        state = "complete" if item.complete else "INTERRUPTED"
        print(f"{item.uid[:8]}  {started}  {item.plan_name:<20}  {state}")
    return 0
