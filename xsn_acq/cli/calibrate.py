"""``xsn-acq calibrate``: analyse a calibration run once more."""

import argparse
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "calibrate", help="analyse a calibration run again and store what it found"
    )
    options.add_run(parser)
    options.add_data(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Say what was found, and where it is stored."""
    from xsn_acq.live.calibrate import calibrate
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.layout import DataFolder
    from xsn_acq.storage.run import RunRecord

    data = DataFolder(args.data)
    found = calibrate(RunRecord.from_journal(find_run(data.journal, args.uid).path), data)
    print("\n".join(found.lines()))
    return 0
