"""Going on with a scan of several runs that did not come to its end."""

import argparse
from typing import Any

LAST = "last"


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--resume``: which scan to go on with."""
    parser.add_argument(
        "--resume",
        nargs="?",
        const=LAST,
        metavar="SCAN",
        help="of hyperspectral_tomography and speckle_tomography: go on with the last unfinished scan with "
        "these parameters, or with the one whose uid begins so",
    )


def progress(args: argparse.Namespace, file: Any, params: Any, data: Any) -> Any:
    """What earlier runs have of the scan to go on with; None: a new scan.

    Raises
    ------
    ConfigError
        The plan cannot be resumed, there is no such scan, or it was begun otherwise: with every reason.
    """
    from xsn_acq.errors import ConfigError
    from xsn_acq.session import PLANS
    from xsn_acq.storage.scans import find_scan, refuse_other, unfinished_scan

    if not PLANS[args.plan].resumes:
        if args.resume:
            raise ConfigError("--resume", [f"plan {args.plan} cannot be resumed; start it again"])
        return None
    if not (data.root / "journal").is_dir():
        scan = found = None
    elif args.resume in (None, LAST):
        scan, found = unfinished_scan(data.journal, params.model_dump(mode="json"))
    else:
        scan = find_scan(data.journal, args.resume)
        found = scan.progress()
    if scan is None or found is None:
        if args.resume:
            raise ConfigError("--resume", ["wanted an unfinished scan with these parameters, found none"])
        return None
    if not args.resume:
        _tell_unfinished(scan, found, params)
        return None
    refuse_other(scan, found, params.model_dump(mode="json"), file.model_dump(mode="json"))
    print(f"going on with scan {scan.uid[:8]}: {_have(scan, found, params)}", flush=True)
    return found


def _tell_unfinished(scan: Any, found: Any, params: Any) -> None:
    print(
        f"NOTE: scan {scan.uid[:8]} with these parameters is unfinished ({_have(scan, found, params)}); "
        f"this starts a new one, --resume {scan.uid[:8]} goes on with it",
        flush=True,
    )


def _have(scan: Any, found: Any, params: Any) -> str:
    """How far a scan has come."""
    complete = sum(found.complete(number, params.projections) for number in range(scan.count))
    good, total = sum(len(part.good) for part in found.parts.values()), scan.count * params.projections
    return f"{complete} of {scan.count} {scan.parts_name} complete, {good} of {total} projections"
