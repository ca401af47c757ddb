"""``xsn-acq spectra``: absorption spectra of regions, and where each pixel has its edge."""

import argparse
import json
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "spectra", help="spectra of regions from an energy scan, or from the volumes of a hyperspectral scan"
    )
    parser.add_argument("which", metavar="RUN", help="'last' or the uid of a run, or of a hyperspectral scan")
    parser.add_argument(
        "--region",
        action="append",
        default=[],
        metavar="NAME=X,Y,W,H",
        help="first column, first row, columns, rows; repeatable; takes the place of the scan's own regions",
    )
    options.add_data(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, and say what was found and where it is."""
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.layout import DataFolder
    from xsn_acq.storage.run import RunRecord
    from xsn_acq.storage.scans import hyperspectral_scans

    data, regions = DataFolder(args.data), _regions(args.region)
    scans = [scan for scan in hyperspectral_scans(data.journal) if scan.uid.startswith(args.which)]
    if not scans:
        of = find_run(data.journal, args.which).hyperspectral
        scans = [scan for scan in hyperspectral_scans(data.journal) if of and scan.uid == of["scan"]]
    if len(scans) == 1:
        choose(data.results(scans[0].uid), regions)
        lines = spectra_of_scan(scans[0], data)
    else:
        record = RunRecord.from_journal(find_run(data.journal, args.which).path)
        choose(data.results(record.uid), regions)
        lines = spectra_of_run(record, data)
    print("\n".join(lines))
    return 0


def spectra_of_run(record: Any, data: Any) -> list[str]:
    """Evaluate an energy scan; what to tell."""
    from xsn_acq.live.energy_scan import evaluate_energy_scan

    return list(evaluate_energy_scan(record, data).lines)


def spectra_of_scan(scan: Any, data: Any) -> list[str]:
    """Evaluate the volumes of a hyperspectral scan; what to tell."""
    from xsn_acq.live import hyperspectral

    return hyperspectral.spectra_of_scan(scan, data)[1]


def choose(folder: Any, regions: dict[str, list[int]]) -> None:
    """Keep regions for this and later evaluations, also for a live worker at its work."""
    from xsn_acq.live.spectra import REGIONS_NAME

    if regions:
        (folder / REGIONS_NAME).write_text(json.dumps(regions), encoding="utf-8")


def _regions(texts: list[str]) -> dict[str, list[int]]:
    from xsn_acq.errors import ConfigError

    found: dict[str, list[int]] = {}
    for text in texts:
        name, _, box = text.partition("=")
        numbers = [int(part) for part in box.split(",") if part.strip().isdecimal()]
        if not name or len(numbers) != 4:
            raise ConfigError(f"--region {text}", ["wanted NAME=X,Y,W,H in pixels, as core=40,30,16,16"])
        found[name] = numbers
    return found
