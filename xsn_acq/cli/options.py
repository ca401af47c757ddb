"""Options that several subcommands share."""

import argparse
from pathlib import Path

DOCUMENTS = "tcp://127.0.0.1:5577"
RESULTS = "tcp://127.0.0.1:5578"


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"wanted a number above 0, found {text}")
    return number


def speed(text: str) -> float:
    """Speed of a simulated clock, for argparse."""
    from xsn_acq.sim.clock import LEAST_SPEED

    number = positive(text)
    if number < LEAST_SPEED:
        raise argparse.ArgumentTypeError(
            f"wanted {LEAST_SPEED:g} times real time or more, found {text}: moves are waited for in real time"
        )
    return number


def count(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number above 0, found {text}")
    return number


def add_data(parser: argparse.ArgumentParser) -> None:
    """``--data``: the folder that holds journal, frames, catalogue and results."""
    parser.add_argument(
        "--data", type=Path, default=Path("xsn-data"), help="data folder (default: ./xsn-data)"
    )


def add_documents(parser: argparse.ArgumentParser) -> None:
    """``--documents``: where the run's documents are published."""
    parser.add_argument(
        "--documents", default=DOCUMENTS, help=f"address of the documents (default: {DOCUMENTS})"
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """``--results``: where live results are published."""
    parser.add_argument(
        "--results", default=RESULTS, help=f"address of the live results (default: {RESULTS})"
    )


def add_beamline(parser: argparse.ArgumentParser) -> None:
    """The beamline: the name of a shipped file or a path."""
    parser.add_argument("beamline", help="shipped name, as pls2-7c-xni, or path of a beamline file")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """``--timeout``: how long to wait for the devices."""
    parser.add_argument(
        "--timeout", type=float, default=10.0, help="seconds to wait for all devices (default: 10)"
    )


def add_attached(parser: argparse.ArgumentParser) -> None:
    """``--attached``: how a process beside a session learns that the session is over."""
    parser.add_argument(
        "--attached", action="store_true", help="when standard input ends, do what is left and stop"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("uid", metavar="RUN", help="'last', or the first characters of the run's uid")
