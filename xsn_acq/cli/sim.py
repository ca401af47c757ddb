"""``xsn-acq sim``: serve the PVs of a simulated beamline."""

import argparse
from typing import Any

from xsn_acq.cli import options

_SAMPLES = {"xsn": "microparticles", "nxsci": "three_cathodes", "pwf": "glass_spheres"}


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("sim", help="serve the simulated beamline's PVs on this machine")
    options.add_beamline(parser)
    parser.add_argument("--port", type=int, default=5064, help="Channel Access port (default: 5064)")
    parser.add_argument(
        "--speed",
        type=options.speed,
        default=1.0,
        help="how much faster than real time, 0.5 or more: moves are waited for in real time (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random thing (default: 0)")
    parser.add_argument(
        "--sample",
        help="by technique, the first one unless told otherwise: xsn microparticles, nmc_graded, "
        "nickel_standard; nxsci three_cathodes, cobalt_target; pwf glass_spheres, few_spheres, toothpick, "
        "cumin, also as 'cumin scale=0.3'; empty of each",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="'NAME KEY=VALUE'", help="inject a fault; repeatable"
    )
    parser.add_argument(
        "--hidden",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the beamline file does not know, e.g. focus_offset_um=18; repeatable",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from xsn_acq.config import load_microscope
    from xsn_acq.sim.ioc.server import serve
    from xsn_acq.sim.process import how_to_reach

    def ready(line: str) -> None:
        print(f"{line}\nto reach it from another shell: {how_to_reach(args.port)}", flush=True)

    file = load_microscope(args.beamline)
    serve(
        file,
        port=args.port,
        speed=args.speed,
        seed=args.seed,
        sample=args.sample or _SAMPLES[file.technique],
        faults=args.fault,
        hidden=args.hidden,
        on_ready=ready,
    )
    return 0
