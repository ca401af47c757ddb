"""``xsn-acq check``: connect every device and say what is missing or out of range."""

import argparse
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("check", help="connect every device; list what is missing or out of range")
    options.add_beamline(parser)
    options.add_timeout(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit status 0 when all is well, 1 when anything is missing or out of range."""
    from xsn_acq import beamline
    from xsn_acq.config import load_microscope

    with beamline.connected(load_microscope(args.beamline), timeout_s=args.timeout) as instrument:
        problems = beamline.problems(instrument)
    for problem in problems:
        print(problem)
    print(f"{args.beamline}: all devices answer, {len(problems)} problem(s)")
    return 1 if problems else 0
