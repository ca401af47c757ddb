"""The run whose sample-out images a sweep uses, looked up before anything moves."""

from pathlib import Path

from xsn_acq.config import AnyBeamline, StructuredBeamline
from xsn_acq.errors import LimitError
from xsn_acq.params import StructuredIllumination
from xsn_acq.params.base import Params
from xsn_acq.params.library import Library, library_refusals
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.run import RunRecord


def library_of(params: Params, journal: Path) -> Library | None:
    """The run that ``library`` of these parameters names; None where they name none.

    Raises
    ------
    StorageError
        There is no such run, or several.
    """
    uid = getattr(params, "library", "")
    if not uid:
        return None
    record = RunRecord.from_journal(find_run(journal, uid).path)
    sound = (row for row in record.rows("points") if row.get("kind") == "out" and row["status"] == "ok")
    return Library(record.start, frozenset(int(row["pattern"]) for row in sound))


def refuse_library(plan_name: str, file: AnyBeamline, params: Params, journal: Path) -> None:
    """Refuse a library of other patterns, or without some of them, as far as that is told without a beamline.

    Raises
    ------
    StorageError
        There is no such run, or several.
    LimitError
        With what differs.
    """
    if not isinstance(params, StructuredIllumination) or (library := library_of(params, journal)) is None:
        return
    seen, known = library.start.get("acquisition", {}), {}
    if "detector_z_mm" in seen and isinstance(file, StructuredBeamline):
        size_m = file.pixel_size_m(seen["energy_ev"], params.binning, seen["detector_z_mm"])
        known["pixel_size_m"] = size_m
    faults = library_refusals(params, known, library)
    if faults:
        raise LimitError(plan_name, faults)
