"""``xsn-acq run``: limits, time, dose and disk; then the runs, their catalogue, what is made of them."""

import argparse
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from xsn_acq.cli import options, resume, status
from xsn_acq.errors import XsnError


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "run", help="run a plan with the parameters of a YAML file", epilog=status.MEANING
    )
    options.add_beamline(parser)
    parser.add_argument("plan", help="name of the plan, as xsn_tomography")
    parser.add_argument("params", type=Path, help="YAML file with its parameters")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say how long, how much dose and disk, and what beamline file and library forbid, and stop",
    )
    parser.add_argument("--live", action="store_true", help="reconstruct meanwhile, in a process of its own")
    parser.add_argument(
        "--speed",
        type=options.speed,
        default=1.0,
        help="speed of a simulated beamline's clock, 0.5 or more, to tell times by (default: 1)",
    )
    resume.add_option(parser)
    options.add_data(parser)
    options.add_documents(parser)
    options.add_results(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Estimate, run, and leave catalogue and what is made of the runs behind."""
    from xsn_acq.config import load_microscope
    from xsn_acq.session import plan_parameters, plan_summary, refuse_infeasible, refuse_library
    from xsn_acq.storage.layout import DataFolder

    data = DataFolder(args.data)
    file = load_microscope(args.beamline, calibrations=data.calibrations)
    params = plan_parameters(args.plan, args.params)
    refuse_infeasible(args.plan, file, params)
    refuse_library(args.plan, file, params, data.root / "journal")
    print(plan_summary(args.plan, file, params, speed=args.speed), flush=True)
    _tell_calibrations(file, data)
    done = resume.progress(args, file, params, data)
    if args.dry_run:
        return status.WELL
    return _acquire(args, file, params, data, done)


def _tell_calibrations(file: Any, data: Any) -> None:
    """Which calibration is used, and from when, in a line each."""
    from xsn_acq.config import calibrations_in_use, newest_calibrations

    for line in calibrations_in_use(file.calibration, newest_calibrations(data.calibrations, file.name)):
        print(line, flush=True)


def _acquire(args: argparse.Namespace, file: Any, params: Any, data: Any, done: Any) -> int:
    """Run the plan; how it ended is told by its runs' own records."""
    from bluesky.utils import RunEngineInterrupted

    from xsn_acq.cli.conclude import conclude
    from xsn_acq.cli.progress import FrameProgress
    from xsn_acq.session import open_session

    data.require_writable()
    services: dict[str, Any] = {}
    started: list[str] = []
    failure: BaseException | None = None

    def note(name: str, doc: dict[str, Any]) -> None:
        if name == "start":
            started.append(doc["uid"])

    try:
        with ExitStack() as stack:
            assessor = _assessor(params, data)
            listening: list[Any] = [note, FrameProgress(args.speed)]
            if assessor is not None:
                listening.append(stack.enter_context(assessor))
            opened = open_session(file, data, args.documents, subscribers=tuple(listening))
            session = stack.enter_context(opened)
            services = _start_services(args, data)
            session.run(args.plan, params, done=done, assessor=assessor)
    except BaseException as error:
        if not started:  # refused: nobody waits for what does not come
            for service in services.values():
                service.kill()
            raise
        failure = error
    if failure is not None and args.debug:
        traceback.print_exception(failure)
    ended = conclude(started, failure, services, data, debug=args.debug)
    if failure is not None and not isinstance(failure, RunEngineInterrupted | XsnError | OSError):
        raise failure
    return ended


def _assessor(params: Any, data: Any) -> Any:
    """What assesses the patterns of an adaptive sweep; None for all other runs."""
    if getattr(params, "adaptive", None) is None:
        return None
    from xsn_acq.live.assessment import SweepAssessor
    from xsn_acq.live.sweep_files import library_of

    return SweepAssessor(lambda record: library_of(record, data))


def _start_services(args: argparse.Namespace, data: Any) -> dict[str, Any]:
    from xsn_acq.cli.services import Service
    from xsn_acq.session import PLANS

    follow = ["--data", str(args.data), "--documents", args.documents]
    attached = ["--attached", "--since", str(time.time())]
    logs = data.root / "logs"
    services = {"catalogue": Service(["catalogue", *follow, *attached], logs / "catalogue.log")}
    if args.live and PLANS[args.plan].reconstructs:
        live = ["live", *follow, "--results", args.results, *attached]
        services["live"] = Service(live, logs / "live.log")
    return services
