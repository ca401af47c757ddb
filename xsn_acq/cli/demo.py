"""``xsn-acq demo``: the simulated beamline, a fly tomogram, its live reconstruction, files and a picture."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from xsn_acq.cli import options

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
        "--speed",
        type=options.speed,
        default=40.0,
        help="speed of the simulated clock, 0.5 or more (default: 40)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, reconstruct, judge, report."""
    from xsn_acq.sim.process import SimulatedProcess

    args.output.mkdir(parents=True, exist_ok=True)
    parameters = args.output / "tomography.yaml"
    parameters.write_text(PARAMETERS)
    print(f"simulated beamline {BEAMLINE}, run at {args.speed:g} times real time", flush=True)
    log = args.output / "sim.log"
    with SimulatedProcess(log, speed=args.speed, seed=SEED, sample=SAMPLE, beamline=BEAMLINE) as simulated:
        print(simulated.ready, flush=True)
        environment = {**os.environ, **simulated.environment}
        status = _measure(parameters, args.output / "data", args.speed, environment)
    if status:
        return status
    from xsn_acq.cli.demo_report import report

    return report(args.output, sample=SAMPLE, seed=SEED)


def _measure(parameters: Path, data: Path, speed: float, environment: dict[str, str]) -> int:
    from xsn_acq.sim.process import free_ports

    command = [sys.executable, "-m", "xsn_acq.cli", "run", BEAMLINE, "xsn_tomography", str(parameters)]
    command += ["--live", "--data", str(data), "--speed", str(speed)]
    for option, port in zip(("--documents", "--results"), free_ports(2), strict=True):
        command += [option, f"tcp://127.0.0.1:{port}"]
    return subprocess.run(command, env=environment, check=False).returncode
