"""The command line: one command, subcommands, no logic."""

from xsn_acq.cli.main import main

__all__ = ["main"]
