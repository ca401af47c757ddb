"""``xsn-acq reconstruct``: the live code, offline, on a run of the data folder."""

import argparse
from pathlib import Path
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("reconstruct", help="reconstruct a run offline")
    options.add_run(parser)
    options.add_data(parser)
    parser.add_argument(
        "--output", type=Path, help="folder to write to (default: in the data folder's results)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Reconstruct with a progress bar and say where the volume is."""
    from tqdm import tqdm

    from xsn_acq.live.offline import reconstruct
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.layout import DataFolder
    from xsn_acq.storage.run import RunRecord

    data = DataFolder(args.data)
    record = RunRecord.from_journal(find_run(data.journal, args.uid).path)
    with tqdm(unit="pair", desc="retrieval", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        paths = reconstruct(record, args.output or data.results(record.uid), progress=progress)
    print(paths.volume)
    return 0
