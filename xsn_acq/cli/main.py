"""``xsn-acq``: reads the arguments, calls one subcommand, prints errors in one line."""

import argparse
import importlib
import logging
import sys
import traceback
from collections.abc import Sequence

from xsn_acq.errors import XsnError

SUBCOMMANDS = ("sim", "check", "run", "live", "catalogue", "runs", "reconstruct", "export", "demo")


def build_parser() -> argparse.ArgumentParser:
    """The parser with every subcommand; imports nothing heavy."""
    parser = argparse.ArgumentParser(prog="xsn-acq", description="Full-field X-ray nano-imaging on Bluesky.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        importlib.import_module(f"xsn_acq.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit status is 0, 1 (refused or failed), 2 (usage) or 130 (interrupted)."""
    args = build_parser().parse_args(argv)
    if not args.debug:
        logging.getLogger("bluesky").setLevel(logging.CRITICAL)  # it logs the traceback of every failed run
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        print("xsn-acq: interrupted", file=sys.stderr)
        return 130
    except (XsnError, OSError) as error:
        if args.debug:
            traceback.print_exc()
        else:
            print(f"xsn-acq {args.command}: {error}", file=sys.stderr)
        return 1
