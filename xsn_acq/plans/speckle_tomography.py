"""Speckle microtomography: a tomogram on the fly at each position of the diffuser, one run for each."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluesky import preprocessors as bpp

from xsn_acq.errors import LedgerError
from xsn_acq.params import SpeckleTomography
from xsn_acq.params.progress import Progress
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.empty_run import tell_failure
from xsn_acq.plans.framing import Framing, framing
from xsn_acq.plans.instrument import SpeckleInstrument
from xsn_acq.plans.rows import neighbours
from xsn_acq.plans.speckle_checks import check_speckle
from xsn_acq.plans.speckle_places import with_places
from xsn_acq.plans.speckle_run import PositionTomogram
from xsn_acq.plans.speckle_state import SpeckleState, one_position, read_speckle_state
from xsn_acq.plans.steps import Plan, in_plain_words

PLAN_NAME = "speckle_tomography"


def speckle_tomography(
    devices: SpeckleInstrument,
    params: SpeckleTomography,
    *,
    folder: Path,
    md: Mapping[str, Any] | None = None,
    done: Progress | None = None,
) -> Plan:
    """Take a tomogram at each position of the diffuser, to and fro.

    Parameters
    ----------
    devices : SpeckleInstrument
        The instrument.
    params : SpeckleTomography
        What to take.
    folder : Path
        Frames go to ``folder/<first 8 of a run's uid>/<stream>.h5``.
    md : mapping, optional
        More for the start documents.
    done : Progress, optional
        What earlier runs of a series with the same parameters have: the rest is taken, and is of that series.

    Raises
    ------
    LimitError
        Before anything moved, with every reason; or between two runs, when the instrument was changed.
    LedgerError
        Most of a tomogram failed twice; the positions that follow were not begun.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Streams of each run: ``darks``, ``flats`` (sample and diffuser out), ``references`` (sample out),
    ``projections``, ``references_after``, ``ledger``, ``ledger_summary``, ``run_times``; with
    ``references_every`` also ``reference_spans``, which says what frames of the projections' file are
    references taken between them.
    The entry ``speckle`` says of which series a run is, and where the diffuser stood. A pause or a loss of
    beam breaks a train off; what is missing is flown again. Frames that have no ledger end the run then,
    but for references between projections, which are taken again. What fails between two runs stands in the
    journal as a run without frames.
    """
    done = with_places(done or Progress(str(uuid.uuid4())), devices)
    frame, state = framing(devices.file, params), read_speckle_state(devices)
    check_speckle(devices, params, frame, state, folder, done)
    series = _Series(devices, params, frame, state, folder, dict(md or {}), done)
    yield from in_plain_words(bpp.rewindable_wrapper(series.run(), False))


class _Series:
    """The positions of one series."""

    def __init__(
        self,
        devices: SpeckleInstrument,
        params: SpeckleTomography,
        frame: Framing,
        state: SpeckleState,
        folder: Path,
        md: dict[str, Any],
        done: Progress,
    ) -> None:
        self._devices, self._params, self._frame, self._state = devices, params, frame, state
        self._folder, self._md, self._done = folder, md, done

    def run(self) -> Plan:
        """Take all positions that are not complete."""
        wanted = self._params.projections
        left = [n for n in range(len(self._params.places_mm)) if not self._done.complete(n, wanted)]
        for number in left:
            if number != left[0]:
                yield from self._told(number, self._look_again(number))
            tomogram = self._tomogram(number)
            yield from tomogram.run(self._md)
            if tomogram.hopeless:
                raise LedgerError(
                    f"{PLAN_NAME}: diffuser position {number + 1}: most projections failed twice; the "
                    "positions that follow were not begun; mend what the run's reason names, then go on with "
                    "--resume"
                )

    def _look_again(self, number: int) -> Plan:
        """Wait for beam; refuse to go on where something else forbids it by now."""
        yield from Beam(self._devices).wait()
        self._state = read_speckle_state(self._devices)
        given = self._devices, self._params, self._frame, self._state, self._folder, self._done
        check_speckle(*given, first=number)

    def _told(self, number: int, plan: Plan) -> Plan:
        """Do what is done between runs; a failure stands in the journal as a run without frames."""

        def tell(error: Exception) -> Plan:
            start = {
                **self._entries(number),
                "beamline": self._devices.file.model_dump(mode="json"),
                "note": self._params.note,
                **self._md,
            }
            yield from tell_failure(start, error, f"before diffuser position {number + 1}")

        return (yield from bpp.contingency_wrapper(in_plain_words(plan), except_plan=tell))

    def _tomogram(self, number: int) -> PositionTomogram:
        return PositionTomogram(
            self._devices,
            one_position(self._params, self._frame, number),
            self._frame,
            self._state,
            self._folder,
            place_mm=self._params.places_mm[number],
            before=self._done.at(number),
            more=self._entries(number),
        )

    def _entries(self, number: int) -> dict[str, Any]:
        """What start documents say of the series, and of the position in it."""
        places, before = self._params.places_mm, self._done.at(number)
        return {
            "plan_name": PLAN_NAME,
            "params": self._params.model_dump(mode="json"),
            "speckle": {
                "series": self._done.scan,
                "number": number,
                "count": len(places),
                "position_mm": list(places[number]),
                "positions_mm": [list(place) for place in places],
                "resumes": list(before.runs),
                "taken": [[group[0], group[-1]] for group in neighbours(sorted(before.good))],
            },
        }
