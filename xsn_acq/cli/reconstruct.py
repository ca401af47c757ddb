"""``xsn-acq reconstruct``: the live code, offline, on a run of the data folder or an NXtomo file."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from xsn_acq.cli import options
from xsn_acq.cli.sweeps import evaluated

_FILES = (".nx", ".nxs", ".h5", ".hdf", ".hdf5")
_OF_FILES = ("beamline", "calibration", "cutoff_x")


def add_parser(subparsers: Any) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("reconstruct", help="reconstruct a run or an NXtomo file offline")
    parser.add_argument(
        "uid",
        metavar="RUN",
        help="'last', the first characters of the run's uid, or the path of an NXtomo file; of speckle "
        "tomography any run stands for its series",
    )
    options.add_data(parser)
    parser.add_argument(
        "--output",
        type=Path,
        help="folder to write to (default: in the data folder's results; of a file A.nx: A-xsn beside it)",
    )
    _add_places(parser)
    _add_of_files(parser)
    parser.add_argument(
        "--beta-over-delta",
        type=options.positive,
        default=0.0,
        metavar="RATIO",
        help="beta/delta of a sample of one material; of an XSN scan of 180 degrees or less, whose frames "
        "have no partner half a turn on, each is then retrieved alone; of speckle tomography in the place of "
        "what was measured with",
    )
    parser.add_argument(
        "--rings",
        default="none",
        metavar="METHOD",
        help="ring removal, as angular_mean or one of algotom's: docs/tomography.md (default: none)",
    )
    sweeps = parser.add_argument_group("of a run of structured illumination")
    sweeps.add_argument(
        "--solver",
        default="guided",
        metavar="NAME",
        help="guided, total_variation, txm_gradient, pseudo_inverse or siren: docs/nxsci_solvers.md "
        "(default: guided)",
    )
    sweeps.add_argument(
        "--check-strength",
        action="store_true",
        help="let patterns that are left out check the strength of the regularisation",
    )
    _add_of_speckle(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(run=run)


def _add_places(parser: argparse.ArgumentParser) -> None:
    """Where the work is done."""
    places = parser.add_mutually_exclusive_group()
    places.add_argument(
        "--workers", type=options.count, help="processes of this machine (default: this one alone)"
    )
    places.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask cluster, as tcp://10.0.0.1:8786, whose workers see the same files",
    )


def _add_of_speckle(parser: argparse.ArgumentParser) -> None:
    """What a person may want otherwise of a speckle scan."""
    speckle = parser.add_argument_group("of a run of speckle tomography")
    speckle.add_argument(
        "--mode",
        choices=("single_material", "free"),
        help="absorption tied to phase, or free (three diffuser positions or more); default: as measured",
    )
    speckle.add_argument(
        "--diffuser-phase",
        choices=("own_phase", "zero_phase"),
        default="own_phase",
        help="retrieve the diffuser's phase, or take it for zero as the paper does (default: own_phase)",
    )
    speckle.add_argument(
        "--keep-background", action="store_true", help="leave the slow background of slices in"
    )


def _add_of_files(parser: argparse.ArgumentParser) -> None:
    """What is said beside an NXtomo file."""
    given = parser.add_argument_group("of an NXtomo file", "in the place of what the file says")
    given.add_argument("--beamline", default="", help="shipped name, or path of a beamline file")
    given.add_argument(
        "--calibration", type=Path, help="TOML file with some of a beamline file's [calibration.*]"
    )
    given.add_argument("--cutoff-x", type=float, metavar="UM", help="position of the cutoff filter, um")
    given.add_argument(
        "--axis-column",
        type=float,
        metavar="PX",
        help="column of the rotation axis in the frames (binned pixels of the region), centres at integers; "
        "of a run of speckle tomography too, in the place of the one found from it",
    )


def run(args: argparse.Namespace) -> int:
    """Reconstruct what is named and say where the volume is, or what came of a sweep."""
    from xsn_acq.live.speckle_scan import is_speckle
    from xsn_acq.live.sweep import is_sweep
    from xsn_acq.storage.layout import DataFolder

    path = Path(args.uid)
    if path.is_file() or path.suffix in _FILES:
        return _volume(args, partial(_file, args))
    _refuse_of_files(args, _OF_FILES)
    data = DataFolder(args.data)
    record = _record(args, data)
    if is_speckle(record.start):
        return _volume(args, partial(_speckle, args, record, data))
    _refuse_of_files(args, ("axis_column",))
    if not is_sweep(record.start):
        return _volume(args, partial(_run, args, record, data))
    print("\n".join(evaluated(record, data, solver=args.solver, held_out=args.check_strength)))
    return 0


def _volume(args: argparse.Namespace, make: Callable[[Any, Any], Any]) -> int:
    """Reconstruct with a progress bar for each stage and say where the volume is.

    ``make``: (executor, progress) -> paths of what was made.
    """
    from xsn_acq.cli import logs
    from xsn_acq.cli.progress import StageProgress
    from xsn_acq.live.executors import executor
    from xsn_acq.live.results import read_status

    with executor(args.workers, args.scheduler) as chosen, StageProgress(quiet=args.quiet) as progress:
        if args.scheduler:
            logs.take_over("distributed")
        paths = make(chosen, progress)
    status = read_status(paths.volume.parent)
    if status is not None and status.message:
        print(f"xsn-acq reconstruct: {status.state}: {status.message}", file=sys.stderr)
    print(paths.volume)
    return 0


def _record(args: argparse.Namespace, data: Any) -> Any:
    from xsn_acq.storage.journal import find_run
    from xsn_acq.storage.run import RunRecord

    return RunRecord.from_journal(find_run(data.journal, args.uid).path)


def _run(args: argparse.Namespace, record: Any, data: Any, chosen: Any, progress: Any) -> Any:
    from xsn_acq.live.offline import reconstruct

    folder = args.output or data.results(record.uid)
    return reconstruct(record, folder, choices=_choices(args), executor=chosen, progress=progress)


def _speckle(args: argparse.Namespace, record: Any, data: Any, chosen: Any, progress: Any) -> Any:
    """Reconstruct all positions of the diffuser of the series that a run is of."""
    from xsn_acq.live.speckle_reconstruction import reconstruct_speckle
    from xsn_acq.live.speckle_settings import SpeckleChoices
    from xsn_acq.storage.layout import results_uid
    from xsn_acq.storage.scans import records_of_series

    uid = results_uid(record.start)
    folder = args.output or data.results(uid)
    choices = SpeckleChoices(
        mode=args.mode,
        beta_over_delta=args.beta_over_delta,
        diffuser_phase=args.diffuser_phase,
        axis_column=args.axis_column,
        rings=args.rings,
        background=not args.keep_background,
    )
    runs = records_of_series(data.journal, uid) or [record]
    return reconstruct_speckle(runs, folder, choices=choices, executor=chosen, progress=progress)


def _choices(args: argparse.Namespace) -> Any:
    from xsn_acq.live.offline import Choices

    return Choices(beta_over_delta=args.beta_over_delta, rings=args.rings)


def _file(args: argparse.Namespace, chosen: Any, progress: Any) -> Any:
    from xsn_acq.live.nxtomo_scan import Beside
    from xsn_acq.live.offline import reconstruct_file

    path = Path(args.uid).absolute()
    beside = Beside(args.beamline, args.calibration, args.cutoff_x, args.axis_column)
    folder = args.output or path.with_name(f"{path.stem}-xsn")
    return reconstruct_file(path, folder, beside, choices=_choices(args), executor=chosen, progress=progress)


def _refuse_of_files(args: argparse.Namespace, names: Sequence[str]) -> None:
    from xsn_acq.errors import ConfigError

    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) not in (None, "")]
    if given:
        raise ConfigError(
            ", ".join(given), [f"of NXtomo files only, found run {args.uid!r}; xsn-acq export it first"]
        )
