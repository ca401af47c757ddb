"""``xsn-acq catalogue``: keep the catalogue level with the journal, in a process of its own."""

import argparse
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("catalogue", help="keep the catalogue level with the journal")
    options.add_data(parser)
    options.add_documents(parser)
    parser.add_argument("--once", action="store_true", help="bring it level and stop")
    parser.add_argument(
        "--one-run", action="store_true", help="stop when one run has been followed to its end"
    )
    options.add_attached(parser)
    parser.add_argument("--since", type=float, help="only runs that started at this unix time or later count")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Follow the journal until interrupted, or bring the catalogue level once."""
    from xsn_acq.cli.services import end_of_input
    from xsn_acq.storage.catalogue_worker import follow

    follow(
        args.data,
        args.documents,
        once=args.once,
        one_run=args.one_run,
        since=args.since,
        stop=end_of_input() if args.attached else None,
        to_the_end=args.attached,
    )
    return 0
