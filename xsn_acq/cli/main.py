"""``xsn-acq``: reads the arguments, calls one subcommand, prints errors in one line."""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence

from xsn_acq.cli import logs, status
from xsn_acq.errors import XsnError

SUBCOMMANDS = (
    "sim",
    "check",
    "safe",
    "run",
    "live",
    "catalogue",
    "runs",
    "reconstruct",
    "report",
    "chemistry",
    "spectra",
    "calibrate",
    "export",
    "demo",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser with every subcommand; imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="xsn-acq", description="Full-field X-ray nano-imaging on Bluesky.", epilog=status.MEANING
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        importlib.import_module(f"xsn_acq.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; its exit status, see `xsn_acq.cli.status`."""
    args = build_parser().parse_args(argv)
    if not args.debug:
        logs.in_lines()
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        print("xsn-acq: interrupted", file=sys.stderr)
        return status.BROKEN_OFF
    except (XsnError, OSError) as error:
        if args.debug:
            traceback.print_exc()
        else:
            print(f"xsn-acq {args.command}: {_told(error)}", file=sys.stderr)
        return status.of_error(error)


def _told(error: Exception) -> str:
    """What an error says; the operating system's without their numbers."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
