"""``xsn-acq run``: limits, time, dose and disk; then the run, the catalogue and the NXtomo file."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from xsn_acq.cli import options

SERVICE_TIMEOUT_S = 3600.0


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("run", help="run a plan with the parameters of a YAML file")
    options.add_beamline(parser)
    parser.add_argument("plan", help="name of the plan, as xsn_tomography")
    parser.add_argument("params", type=Path, help="YAML file with its parameters")
    parser.add_argument(
        "--dry-run", action="store_true", help="say how long, how much dose and disk, and stop"
    )
    parser.add_argument("--live", action="store_true", help="reconstruct meanwhile, in a process of its own")
    options.add_data(parser)
    options.add_documents(parser)
    options.add_results(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Estimate, run, and leave catalogue and NXtomo file behind."""
    from xsn_acq.config import load_beamline
    from xsn_acq.session import plan_parameters, plan_summary
    from xsn_acq.storage.layout import DataFolder

    file = load_beamline(args.beamline)
    params = plan_parameters(args.plan, args.params)
    print(plan_summary(args.plan, file, params), flush=True)
    if args.dry_run:
        return 0
    return _acquire(args, file, params, DataFolder(args.data))


def _acquire(args: argparse.Namespace, file: Any, params: Any, data: Any) -> int:
    from bluesky.utils import RunEngineInterrupted

    from xsn_acq.cli.progress import FrameProgress
    from xsn_acq.session import open_session
    from xsn_acq.storage.journal import list_runs

    known = len(list_runs(data.journal))
    services = _start_services(args, data)
    try:
        with open_session(file, data, args.documents, subscribers=(FrameProgress(),)) as session:
            uid = session.run(args.plan, params)
    except BaseException as error:
        stopped = isinstance(error, RunEngineInterrupted)
        _end(services, data, recorded=len(list_runs(data.journal)) > known, stopped=stopped)
        if stopped:
            return 130
        raise
    _export(uid, data)
    return _finish(services, data)


def _end(services: dict[str, Any], data: Any, *, recorded: bool, stopped: bool) -> None:
    """After a run that was broken off or failed: what it recorded is catalogued; without it nobody waits."""
    if not recorded:
        for service in services.values():
            service.kill()
        return
    what = f"stopped by the user: {_reason(data)}" if stopped else "the run failed"
    print(f"xsn-acq run: {what}; what was measured is being catalogued", file=sys.stderr, flush=True)
    _finish(services, data)


def _reason(data: Any) -> str:
    """What the last run itself says of its end."""
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.run import RunRecord

    stop = RunRecord.from_journal(find_run(data.journal, "last").path).stop
    return str(stop["reason"]) if stop else "it has no end"


def _export(uid: str, data: Any) -> None:
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.nxtomo import write_nxtomo
    from xsn_acq.storage.run import RunRecord

    record = RunRecord.from_journal(find_run(data.journal, uid).path)
    path = data.exports / f"{uid[:8]}.nx"
    write_nxtomo(record, path)
    print(f"run {uid}\nNXtomo {path}", flush=True)


def _start_services(args: argparse.Namespace, data: Any) -> dict[str, Any]:
    from xsn_acq.cli.services import Service

    where = ["--data", str(args.data)]
    follow = [*where, "--documents", args.documents]
    since = ["--one-run", "--since", str(time.time())]
    logs = data.root / "logs"
    services = {
        "catalogue": Service(
            ["catalogue", *follow, *since], ["catalogue", *where, "--once"], logs / "catalogue.log"
        )
    }
    if args.live:
        services["live"] = Service(
            ["live", *follow, "--results", args.results, *since],
            ["reconstruct", "last", *where],
            logs / "live.log",
        )
    return services


def _finish(services: dict[str, Any], data: Any) -> int:
    """Wait for the processes beside the run; one that died is made good by its ``after`` command."""
    failed = [name for name, service in services.items() if not service.finish(SERVICE_TIMEOUT_S)]
    for name in failed:
        print(
            f"xsn-acq run: the {name} process failed; the run is safe, see {data.root / 'logs'}",
            file=sys.stderr,
        )
    return 1 if failed else 0
