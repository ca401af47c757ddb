"""``xsn-acq report``: the page of a reconstruction."""

import argparse
from pathlib import Path
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "report", help="write a reconstruction's page: pictures, resolution, warnings"
    )
    parser.add_argument("run_or_file", metavar="RUN", help="run as 'last' or its uid, or a reconstruction.h5")
    options.add_data(parser)
    parser.add_argument("--output", type=Path, help="file to write (default: report.html beside the volume)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and say where it is."""
    from xsn_acq.cli.volumes import record_of, volume_path
    from xsn_acq.live.report import write_report

    path = volume_path(args.data, args.run_or_file)
    print(write_report(path, record_of(args.data, path), args.output))
    return 0
