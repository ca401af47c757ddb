"""``xsn-acq export``: write a run in a format that other programs open."""

import argparse
from pathlib import Path
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("export", help="write a run in a format that other programs open")
    options.add_run(parser)
    parser.add_argument(
        "format", choices=["nxtomo"], help="nxtomo: NeXus tomography; frames are linked, not copied"
    )
    options.add_data(parser)
    parser.add_argument("--output", type=Path, help="file to write (default: in the data folder's exports)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file and say where it is."""
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.layout import DataFolder
    from xsn_acq.storage.nxtomo import write_nxtomo
    from xsn_acq.storage.run import RunRecord

    data = DataFolder(args.data)
    record = RunRecord.from_journal(find_run(data.journal, args.uid).path)
    path = args.output or data.exports / f"{record.uid[:8]}.nx"
    write_nxtomo(record, path)
    print(path)
    return 0
