"""The run whose sample-out images a sweep uses, looked up before anything moves."""

from pathlib import Path
from typing import Any

from xsn_acq.config import AnyBeamline
from xsn_acq.errors import LimitError
from xsn_acq.params.base import Params
from xsn_acq.params.library import library_faults
from xsn_acq.storage.journal import find_run, read_journal


def library_start(params: Params, journal: Path) -> dict[str, Any] | None:
    """Start document of the run that ``library`` of these parameters names; None where they name none.

    Raises
    ------
    StorageError
        There is no such run, or several.
    """
    uid = getattr(params, "library", "")
    return next(read_journal(find_run(journal, uid).path)).doc if uid else None


def refuse_library(plan_name: str, file: AnyBeamline, params: Params, journal: Path) -> None:
    """Refuse a library of other patterns, as far as that is told without a beamline.

    Raises
    ------
    StorageError
        There is no such run, or several.
    LimitError
        With what differs.
    """
    library = library_start(params, journal)
    if library is None:
        return
    given, seen, known = params.model_dump(mode="json"), library.get("acquisition", {}), {}
    if "detector_z_mm" in seen:
        size_m = file.pixel_size_m(seen["energy_ev"], given["binning"], seen["detector_z_mm"])
        known["pixel_size_m"] = size_m
    faults = library_faults(given, known, library)
    if faults:
        raise LimitError(plan_name, faults)
