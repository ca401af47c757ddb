"""``xsn-acq live``: reconstruct while the run goes on, in a process of its own."""

import argparse
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("live", help="reconstruct while the run goes on")
    options.add_data(parser)
    options.add_documents(parser)
    options.add_results(parser)
    parser.add_argument("--one-run", action="store_true", help="stop when one run has been reconstructed")
    options.add_attached(parser)
    parser.add_argument(
        "--since",
        type=float,
        help="runs that started at this unix time count, also if they have ended",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Work until interrupted, or until one run is done."""
    from xsn_acq.cli.services import end_of_input
    from xsn_acq.live.worker import LiveWorker
    from xsn_acq.storage.layout import DataFolder

    worker = LiveWorker(DataFolder(args.data), args.documents, args.results)
    stop = end_of_input() if args.attached else None
    worker.run(stop, one_run=args.one_run, since=args.since, to_the_end=args.attached)
    return 0
