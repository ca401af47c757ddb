"""``xsn-acq demo``: the simulated beamline, a fly tomogram, its live reconstruction, files and a picture."""

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

BEAMLINE = "pls2-7c-xni"
SAMPLE = "microparticles"
SEED = 7
PARAMETERS = """\
# The demo's tomogram: the paper's exposure and full turn on a small camera ROI.
projections: 360
exposure_s: 2.0
darks: 10
flats: 20
roi: {min_x: 1412, min_y: 1472, size_x: 384, size_y: 256}
note: demo
"""


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "demo", help="from nothing to a live tomogram of the simulated 7C beamline"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo"), help="folder for everything (default: ./demo)"
    )
    parser.add_argument(
        "--speed", type=float, default=40.0, help="speed of the simulated clock (default: 40)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, reconstruct, judge, report."""
    args.output.mkdir(parents=True, exist_ok=True)
    parameters = args.output / "tomography.yaml"
    parameters.write_text(PARAMETERS)
    environment = _loopback_environment()
    print(f"simulated beamline {BEAMLINE}, sample {SAMPLE}, clock {args.speed:g} times real time", flush=True)
    with _simulated_beamline(args.speed, environment, args.output / "sim.log"):
        status = _measure(parameters, args.output / "data", environment)
    if status:
        return status
    from xsn_acq.cli.demo_report import report

    return report(args.output, sample=SAMPLE, seed=SEED)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _loopback_environment() -> dict[str, str]:
    """Channel Access on this machine only, on ports nobody uses."""
    return {
        **os.environ,
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(_free_port()),
        "EPICS_CA_REPEATER_PORT": str(_free_port()),
    }


@contextmanager
def _simulated_beamline(speed: float, environment: dict[str, str], log: Path) -> Iterator[None]:
    command = [
        sys.executable,
        "-m",
        "xsn_acq.cli",
        "sim",
        BEAMLINE,
        "--port",
        environment["EPICS_CA_SERVER_PORT"],
    ]
    command += ["--speed", str(speed), "--seed", str(SEED), "--sample", SAMPLE]
    with log.open("w") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise OSError(f"the simulated beamline did not start, see {log}")
        print(ready.rstrip(), flush=True)
        yield
    finally:
        process.terminate()
        process.wait()


def _measure(parameters: Path, data: Path, environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", "xsn_acq.cli", "run", BEAMLINE, "xsn_tomography", str(parameters)]
    command += ["--live", "--data", str(data)]
    for option in ("--documents", "--results"):
        command += [option, f"tcp://127.0.0.1:{_free_port()}"]
    return subprocess.run(command, env=environment, check=False).returncode
