"""``xsn-acq safe``: put right what a session that was killed left behind."""

import argparse
import sys
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "safe",
        help="shut the beam off, stop what runs, close the frame file; nothing is moved",
        description="After a session was killed: closes the experiment shutter, stops the rotation stage and "
        "gives it its velocity back, disarms the position compare, stops the camera and closes its file. It "
        "would break off the scan of a session that is still at work.",
    )
    options.add_beamline(parser)
    options.add_timeout(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0 when all is safe, 1 when something could not be put right."""
    from xsn_acq import beamline
    from xsn_acq.config import load_microscope

    instrument = beamline.build(load_microscope(args.beamline))
    failed = beamline.make_safe(instrument, timeout_s=args.timeout)
    for fault in failed:
        print(f"NOT PUT RIGHT: {fault}")
    if not failed:
        print(f"{args.beamline}: safe; xsn-acq check {args.beamline} tells what else is out of range")
    sys.stdout.flush()
    beamline.destroy(instrument)
    return 1 if failed else 0
