"""X-ray schlieren nanotomography on the fly: darks, flats, projections with their ledger; all is put back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsn_acq.params import XsnTomography
from xsn_acq.params.progress import NOTHING, PartProgress
from xsn_acq.plans.checks import check_before
from xsn_acq.plans.fly import Flight
from xsn_acq.plans.framing import Framing, framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import State, acquisition, read_state
from xsn_acq.plans.steps import Plan
from xsn_acq.plans.tomogram import FlyRun


def xsn_tomography(
    devices: Instrument, params: XsnTomography, *, folder: Path, md: Mapping[str, Any] | None = None
) -> Plan:
    """Take a tomogram on the fly.

    Parameters
    ----------
    devices : Instrument
        The instrument.
    params : XsnTomography
        What to take.
    folder : Path
        Frames go to ``folder/<first 8 of the run's uid>/<stream>.h5``.
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
    Streams: ``darks``, ``flats``, ``projections``, ``flats_after`` (frames), ``ledger``, ``ledger_summary``.
    A pause stops the stage and shuts the beam off; nothing is replayed, the run goes on with the angles that
    are missing. So it does after a loss of beam, once that is back. Interrupted flats end the run: they have
    no ledger. The rotation stage is left with the velocity
    of the beamline file.
    """
    frame = framing(devices.file, params)
    state = read_state(devices)
    check_before(devices, params, frame, state, folder)
    yield from Tomogram(devices, params, frame, state, folder).run(md)


class Tomogram(FlyRun[Instrument, State]):
    """One run of the plan.

    Parameters
    ----------
    devices, params, frame, state, folder, before
        See `FlyRun`.
    """

    def __init__(
        self,
        devices: Instrument,
        params: XsnTomography,
        frame: Framing,
        state: State,
        folder: Path,
        before: PartProgress = NOTHING,
    ) -> None:
        super().__init__(devices, params, frame, state, folder, before)
        self._params = params

    def start(self) -> dict[str, Any]:
        """Name and technique, and what a reconstruction must know."""
        return {
            "plan_name": "xsn_tomography",
            "technique": "xsn",
            "acquisition": acquisition(self._devices.file, self._params, self._frame, self._state),
        }

    def measure(self) -> Plan:
        """Darks, flats, projections."""
        flight = self._new_flight(Flight)
        yield from self._darks()
        if self._params.takes_flats_before:
            yield from self._without_sample("flats", self._params.flats, flight.open)
        yield from self._fly(flight)
        if self._params.takes_flats_after:
            yield from self._without_sample("flats_after", self._params.flats)
