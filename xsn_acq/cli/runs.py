"""``xsn-acq runs``: list what was measured, and how each run ended."""

import argparse
from datetime import datetime
from typing import Any

from xsn_acq.cli import options


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("runs", help="list the runs of a data folder and how each ended")
    options.add_data(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One line for each run."""
    from xsn_acq.errors import ConfigError
    from xsn_acq.storage.ending import state_of
    from xsn_acq.storage.journal import list_runs
    from xsn_acq.storage.layout import DataFolder

    if not args.data.is_dir():
        raise ConfigError(str(args.data), ["wanted a data folder, found none"])
    for item in list_runs(DataFolder(args.data).journal):
        started = datetime.fromtimestamp(item.start_time).isoformat(" ", "seconds")
        word, reason = state_of(item)
        plan = _part(item.hyperspectral) or _position(item.speckle) or item.plan_name
        print(f"{item.uid[:8]}  {started}  {plan:<27}  {word:<11}  {reason}".rstrip())
    return 0


def _part(part: dict[str, Any]) -> str:
    """Which energy of a hyperspectral scan a run is; empty for other runs."""
    if not part:
        return ""
    number, scan = part["number"], f"scan {part['scan'][:8]}"
    if number is None:
        return scan
    return f"{scan} {number + 1}/{part['count']}, {part['energies_ev'][number]:g} eV"


def _position(part: dict[str, Any]) -> str:
    """Which position of the diffuser a run is; empty for other runs."""
    if not part:
        return ""
    x, y = part["position_mm"]
    return f"scan {part['series'][:8]} {part['number'] + 1}/{part['count']}, {x:g}, {y:g} mm"
