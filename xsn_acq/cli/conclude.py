"""What is done with runs that have ended: NXtomo files, a calibration; and how all ended."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from xsn_acq.cli import status
from xsn_acq.cli.saying import say
from xsn_acq.cli.scan_files import Try, export_scan, index_scan, reconstruct_parted
from xsn_acq.errors import XsnError

SERVICE_TIMEOUT_S = 3600.0
STATUS = {"complete": status.WELL, "INCOMPLETE": status.INCOMPLETE, "ABORTED": status.BROKEN_OFF}
"""Exit status by how a run ended, if no other than failed."""
_GRAVEST = (status.FAILED, status.BROKEN_OFF, status.INCOMPLETE, status.WELL)


def conclude(
    uids: Sequence[str],
    failure: BaseException | None,
    services: Mapping[str, Any],
    data: Any,
    *,
    debug: bool = False,
) -> int:
    """Export, wait for the processes beside the runs, say how they ended; the exit status.

    Parameters
    ----------
    uids : sequence of str
        Runs of the plan, in order.
    failure : exception or None
        What ended the plan.
    services : mapping of str to Service
        Processes beside the runs, by name.
    data : DataFolder
    debug : bool
        Whether to show tracebacks.
    """
    from xsn_acq.storage.ending import state_of
    from xsn_acq.storage.journal import find_run

    def tried(make: Callable[[], list[str]], what: str) -> bool:
        return _tried(make, what, debug)

    try:
        runs = [find_run(data.journal, uid) for uid in uids]
        ends = [state_of(run) for run in runs]
        if failure is not None:
            _say_failure(runs[-1], *ends[-1], failure)
        well = [_evaluate(run, data, tried) for run, end in zip(runs, ends, strict=True) if _is_whole(end)]
        exported = [(scan, *export_scan(scan, data, tried)) for scan in _scans(runs, data)]
    except Exception:
        _finish(services, data)
        raise
    well.append(_finish(services, data))
    for scan, all_there, files in exported:
        well += [all_there, "live" not in services or reconstruct_parted(files, data)]
        well.append(not files or tried(partial(index_scan, scan, files, data), "index"))
    well += [tried(make, "spectra") for make in _spectra(runs, ends, data, live="live" in services)]
    well += [tried(make, "element maps") for make in _sweeps(runs, ends, data)]
    if "live" in services:
        _tell_volumes(runs, data)
    for run, (word, reason) in zip(runs, ends, strict=True):
        if word == "INCOMPLETE":
            say(f"{word}: {_part(run)}{reason}{_goes_on(run)}")
    return _exit_status([word for word, _ in ends], failure, well=all(well))


def _exit_status(words: Sequence[str], failure: BaseException | None, *, well: bool) -> int:
    from bluesky.utils import RunEngineInterrupted

    if isinstance(failure, RunEngineInterrupted):
        return status.BROKEN_OFF
    found = {STATUS.get(word, status.FAILED) for word in words}
    ended = next(grave for grave in _GRAVEST if grave in found)
    if failure is not None and ended in (status.WELL, status.INCOMPLETE):
        return status.FAILED
    return ended or (status.WELL if well else status.FAILED)


def _is_whole(end: tuple[str, str]) -> bool:
    return end[0] in ("complete", "INCOMPLETE")


def _say_failure(run: Any, word: str, reason: str, failure: BaseException) -> None:
    """How the last run ended; where it ended well, what came after it failed."""
    ended = f"{word}: {_part(run)}{reason or failure}"
    found = f"FAILED: {failure}" if word in ("complete", "INCOMPLETE") else ended
    last = run.part.get("number") == run.part.get("count", 0) - 1
    rest = "" if word == "complete" and last else _goes_on(run)
    say(f"{found}; what was measured is being catalogued{rest}")


def _scans(runs: Sequence[Any], data: Any) -> list[Any]:
    """Hyperspectral scans that the runs are of."""
    from xsn_acq.storage.scans import hyperspectral_scans

    uids = {run.hyperspectral["scan"] for run in runs if run.hyperspectral}
    return [scan for scan in hyperspectral_scans(data.journal) if scan.uid in uids] if uids else []


def _part(run: Any) -> str:
    """Which part of a series a run is: its energy, or its diffuser position where there are several.

    >>> from types import SimpleNamespace
    >>> _part(SimpleNamespace(hyperspectral={"energies_ev": [8333.0], "number": 0}, speckle={}))
    '8333 eV: '
    >>> _part(SimpleNamespace(hyperspectral={}, speckle={"number": 1, "count": 3}))
    'diffuser position 2 of 3: '
    """
    energy, position = run.hyperspectral, run.speckle
    if energy and energy["number"] is not None:
        return f"{energy['energies_ev'][energy['number']]:g} eV: "
    if position.get("count", 1) > 1:
        return f"diffuser position {position['number'] + 1} of {position['count']}: "
    return ""


def _goes_on(run: Any) -> str:
    """How to take the rest of a series."""
    part = run.part
    series = str(part.get("scan") or part.get("series") or "")
    return f"; run --resume {series[:8]} takes the rest" if series else ""


def _tell_volumes(runs: Sequence[Any], data: Any) -> None:
    """Where the reconstructions are that there are, and what is to be known of them."""
    from xsn_acq.live.results import read_status
    from xsn_acq.live.volume import FILE_NAME

    firsts = ([*run.hyperspectral.get("resumes", []), run.results_uid][0] for run in runs)
    for uid in dict.fromkeys(firsts):
        folder = data.results(uid)
        if (folder / FILE_NAME).exists():
            print(f"volume {folder / FILE_NAME}", flush=True)
            known = read_status(folder)
            if known is not None and known.message:
                say(f"{known.state}: {known.message}")


def _evaluate(run: Any, data: Any, tried: Try) -> bool:
    """Make of a run what it was taken for; whether that went well."""
    from xsn_acq.live.run_times import run_time
    from xsn_acq.storage.run import RunRecord

    print(f"run {run.uid}", flush=True)
    record = RunRecord.from_journal(run.path)
    if took := run_time(record):
        print(f"time {took}", flush=True)
    made = None if run.hyperspectral else _MADE_OF.get(record.start.get("technique", ""))
    return made is None or tried(lambda: made[1](record, data), made[0])


def _spectra(
    runs: Sequence[Any], ends: Sequence[tuple[str, str]], data: Any, *, live: bool
) -> list[Callable[[], list[str]]]:
    """What evaluates energy scans, and hyperspectral scans whose volumes are there.

    Only at the end: the live worker has written the same files, and is done.
    """
    from xsn_acq.cli.spectra import spectra_of_run, spectra_of_scan
    from xsn_acq.storage.run import RunRecord

    made: list[Callable[[], list[str]]] = [
        partial(spectra_of_run, RunRecord.from_journal(run.path), data)
        for run, end in zip(runs, ends, strict=True)
        if run.plan_name == "energy_scan" and _is_whole(end)
    ]
    if live:
        made += [partial(spectra_of_scan, scan, data) for scan in _scans(runs, data)]
    return made


def _sweeps(runs: Sequence[Any], ends: Sequence[tuple[str, str]], data: Any) -> list[Callable[[], list[str]]]:
    """What evaluates sweeps of structured illumination; only at the end, as `_spectra`."""
    from xsn_acq.cli.sweeps import made_of
    from xsn_acq.storage.run import RunRecord

    return [
        partial(made_of, RunRecord.from_journal(run.path), data)
        for run, end in zip(runs, ends, strict=True)
        if run.plan_name == "structured_illumination" and _is_whole(end)
    ]


def _tried(make: Callable[[], list[str]], what: str, debug: bool) -> bool:
    """Make a file and tell where it is; the run is safe whatever goes wrong, which is told."""
    try:
        lines = make()
    except Exception as error:  # whatever it is: the processes beside the run are waited for
        if debug:
            traceback.print_exception(error)
        expected = isinstance(error, XsnError | OSError)
        say(f"no {what}: {error if expected else f'{type(error).__name__}: {error}'}")
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

    return [f"NXtomo {write_nxtomo(record, data.exports / f'{record.uid[:8]}.nx')}"]


_MADE_OF: Mapping[str, tuple[str, Callable[[Any, Any], list[str]]]] = {
    "xsn": ("NXtomo file", _export),
    "pwf": ("NXtomo file", _export),
    "calibration": ("calibration", _calibrate),
}
"""What is made of a run that came to its end, by its technique; of others nothing.

The tomograms of a hyperspectral scan are seen to together: `xsn_acq.cli.scan_files`.
"""


def _finish(services: Mapping[str, Any], data: Any) -> bool:
    """Wait for the processes beside the runs; whether all did their work."""
    well = True
    for name, service in services.items():
        ended = service.finish(SERVICE_TIMEOUT_S)
        if ended == status.REFUSED:
            say(f"no reconstruction: {service.last_words().partition(': ')[2]}")
        elif ended:
            say(f"the {name} process failed; the run is safe, see {data.root / 'logs'}")
        well = well and not ended
    return well
