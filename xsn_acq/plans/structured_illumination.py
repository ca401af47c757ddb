"""Structured-illumination chemical imaging: patterns of light, each with an image and a spectrum."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsn_acq.params import StructuredIllumination
from xsn_acq.params.library import Library
from xsn_acq.plans.framing import framing
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.steps import Plan
from xsn_acq.plans.structured_checks import check_structured
from xsn_acq.plans.structured_run import Assessor, StructuredRun
from xsn_acq.plans.structured_state import read_structured_state


def structured_illumination(
    devices: StructuredInstrument,
    params: StructuredIllumination,
    *,
    folder: Path,
    assessor: Assessor | None = None,
    library: Library | None = None,
    md: Mapping[str, Any] | None = None,
) -> Plan:
    """Sweep through patterns of light, with the sample in and out.

    Parameters
    ----------
    devices : StructuredInstrument
        The instrument.
    params : StructuredIllumination
        What to take.
    folder : Path
        Frames and spectra go to ``folder/<first 8 of the run's uid>/``.
    assessor : Assessor, optional
        Assesses the patterns as they come; needed where ``params.adaptive`` is given.
    library : Library, optional
        The run that ``params.library`` names: one of other patterns, or without some, is refused.
    md : mapping, optional
        More for the start document.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Streams: ``darks``, ``patterns`` (frames), ``spectra``, ``points`` (see
    `xsn_acq.plans.pattern_rows.PatternRow`), ``assessments``. Patterns that were exposed while beam or plan
    were interrupted are taken again. All motors end where they were.
    """
    frame = framing(devices.file, params)
    state = read_structured_state(devices)
    assessed = assessor is not None
    check_structured(devices, params, frame, state, folder, assessed=assessed, library=library)
    yield from StructuredRun(devices, params, frame, state, folder, assessor).run(md)
