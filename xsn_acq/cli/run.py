"""``xsn-acq run``: limits, time, dose and disk; then the run, its catalogue, NXtomo file or calibration."""

import argparse
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from xsn_acq.cli import options, status
from xsn_acq.errors import XsnError

SERVICE_TIMEOUT_S = 3600.0
STATUS = {"complete": status.WELL, "INCOMPLETE": status.INCOMPLETE, "ABORTED": status.BROKEN_OFF}
"""Exit status by how the run ended, if no other than failed."""


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
        help="say how long, how much dose and disk, and what the beamline file forbids, and stop",
    )
    parser.add_argument(
        "--live", action="store_true", help="reconstruct a tomogram meanwhile, in a process of its own"
    )
    parser.add_argument(
        "--speed",
        type=options.positive,
        default=1.0,
        help="speed of a simulated beamline's clock, to tell times by (default: 1)",
    )
    options.add_data(parser)
    options.add_documents(parser)
    options.add_results(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Estimate, run, and leave catalogue and NXtomo file or calibration behind."""
    from xsn_acq.config import load_beamline
    from xsn_acq.session import plan_parameters, plan_summary, refuse_infeasible
    from xsn_acq.storage.layout import DataFolder

    data = DataFolder(args.data)
    file = load_beamline(args.beamline, calibrations=data.calibrations)
    params = plan_parameters(args.plan, args.params)
    refuse_infeasible(args.plan, file, params)
    print(plan_summary(args.plan, file, params, speed=args.speed), flush=True)
    _tell_calibrations(file, data)
    if args.dry_run:
        return status.WELL
    return _acquire(args, file, params, data)


def _tell_calibrations(file: Any, data: Any) -> None:
    """Which calibration is used, and from when, in a line each."""
    from xsn_acq.config import calibrations_in_use, newest_calibrations

    for line in calibrations_in_use(file.calibration, newest_calibrations(data.calibrations, file.name)):
        print(line, flush=True)


def _acquire(args: argparse.Namespace, file: Any, params: Any, data: Any) -> int:
    """Run the plan; how it ended is told by the run's own record."""
    from bluesky.utils import RunEngineInterrupted

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
        with open_session(
            file, data, args.documents, subscribers=(note, FrameProgress(args.speed))
        ) as session:
            services = _start_services(args, data)
            session.run(args.plan, params)
    except BaseException as error:
        if not started:  # refused: nobody waits for what does not come
            for service in services.values():
                service.kill()
            raise
        failure = error
    if failure is not None and args.debug:
        traceback.print_exception(failure)
    ended = _conclude(started[-1], failure, services, data, debug=args.debug)
    if failure is not None and not isinstance(failure, RunEngineInterrupted | XsnError | OSError):
        raise failure
    return ended


def _conclude(
    uid: str, failure: BaseException | None, services: dict[str, Any], data: Any, *, debug: bool = False
) -> int:
    """Export, wait for the processes beside the run, say how it ended; the exit status."""
    from bluesky.utils import RunEngineInterrupted

    from xsn_acq.storage.ending import state_of
    from xsn_acq.storage.journal import find_run

    try:
        run = find_run(data.journal, uid)
        word, reason = state_of(run)
        if failure is not None:
            _say(f"{word}: {reason or failure}; what was measured is being catalogued")
        whole = word in ("complete", "INCOMPLETE")
        exported = _evaluate(run, data, debug=debug) if whole else True
    except Exception:
        _finish(services, data)
        raise
    well = _finish(services, data) and exported and failure is None
    if "live" in services:
        _tell_volume(uid, data)
    if word == "INCOMPLETE":
        _say(f"{word}: {reason}")
    if isinstance(failure, RunEngineInterrupted):
        return status.BROKEN_OFF
    return STATUS.get(word, status.FAILED) or (status.WELL if well else status.FAILED)


def _say(what: str) -> None:
    print(f"xsn-acq run: {what}", file=sys.stderr, flush=True)


def _tell_volume(uid: str, data: Any) -> None:
    """Where the reconstruction is, if there is one."""
    from xsn_acq.live.volume import FILE_NAME

    path = data.results(uid) / FILE_NAME
    if path.exists():
        print(f"volume {path}", flush=True)


def _evaluate(run: Any, data: Any, *, debug: bool) -> bool:
    """Make of the run what it was taken for: a calibration, or an NXtomo file; whether that went well."""
    from xsn_acq.live.calibrate import is_calibration
    from xsn_acq.storage.run import RunRecord

    print(f"run {run.uid}", flush=True)
    record = RunRecord.from_journal(run.path)
    what, make = ("calibration", _calibrate) if is_calibration(record) else ("NXtomo file", _export)
    try:
        lines = make(record, data)
    except Exception as error:  # whatever it is: the run is safe, and the processes beside it are waited for
        if debug:
            traceback.print_exception(error)
        expected = isinstance(error, XsnError | OSError)
        _say(f"no {what}: {error if expected else f'{type(error).__name__}: {error}'}")
        return False
    for line in lines:
        print(line, flush=True)
    return True


def _calibrate(record: Any, data: Any) -> list[str]:
    """Store the calibration; what to tell."""
    from xsn_acq.live.calibrate import calibrate

    return calibrate(record, data).lines()


def _export(record: Any, data: Any) -> list[str]:
    """Write the NXtomo file; what to tell."""
    from xsn_acq.storage.nxtomo import write_nxtomo

    path = data.exports / f"{record.uid[:8]}.nx"
    write_nxtomo(record, path)
    return [f"NXtomo {path}"]


def _start_services(args: argparse.Namespace, data: Any) -> dict[str, Any]:
    from xsn_acq.cli.services import Service
    from xsn_acq.session import PLANS

    where = ["--data", str(args.data)]
    follow = [*where, "--documents", args.documents]
    since = ["--one-run", "--since", str(time.time())]
    logs = data.root / "logs"
    services = {
        "catalogue": Service(
            ["catalogue", *follow, *since], ["catalogue", *where, "--once"], logs / "catalogue.log"
        )
    }
    if args.live and not PLANS[args.plan].calibrates:
        services["live"] = Service(
            ["live", *follow, "--results", args.results, *since],
            ["reconstruct", "last", *where],
            logs / "live.log",
        )
    return services


def _finish(services: dict[str, Any], data: Any) -> bool:
    """Wait for the processes beside the run; one that died is made good by its ``after`` command."""
    well = True
    for name, service in services.items():
        ended = service.finish(SERVICE_TIMEOUT_S)
        if ended == status.REFUSED:
            _say(f"no reconstruction: {service.last_words().partition(': ')[2]}")
        elif ended:
            _say(f"the {name} process failed; the run is safe, see {data.root / 'logs'}")
        well = well and not ended
    return well
