"""X-ray schlieren nanotomography on the fly: darks, flats, projections with their ledger; all is put back."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from xsn_acq.params import XsnTomography
from xsn_acq.params.progress import NOTHING, EnergyProgress
from xsn_acq.plans.checks import check_before
from xsn_acq.plans.fly import Flight
from xsn_acq.plans.framing import Framing, framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.measurement import Measurement
from xsn_acq.plans.record import summary_rows
from xsn_acq.plans.state import State, acquisition, read_state
from xsn_acq.plans.steps import Plan, move, step, stop

logger = logging.getLogger(__name__)


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


class Tomogram(Measurement[Instrument, State]):
    """One run of the plan.

    Parameters
    ----------
    devices, params, frame, state, folder
        See `Measurement`.
    before : EnergyProgress
        What earlier runs have of the same tomogram: only the rest is flown.
    """

    def __init__(
        self,
        devices: Instrument,
        params: XsnTomography,
        frame: Framing,
        state: State,
        folder: Path,
        before: EnergyProgress = NOTHING,
    ) -> None:
        super().__init__(devices, params, frame, state, folder)
        self._params, self._before = params, before
        self._flight: Flight | None = None
        self._summarised = False

    def start(self) -> dict[str, Any]:
        """Name and technique, and what a reconstruction must know."""
        return {
            "plan_name": "xsn_tomography",
            "technique": "xsn",
            "acquisition": acquisition(self._devices.file, self._params, self._frame, self._state),
        }

    def measure(self) -> Plan:
        """Darks, flats, projections."""
        flight = self._new_flight()
        yield from self._darks()
        if self._params.takes_flats_before:
            yield from self._flats("flats", self._params.flats, flight.open)
        self._flight = flight
        yield from flight.fly()
        yield from self._summarise(flight)
        if self._params.takes_flats_after:
            yield from self._flats("flats_after", self._params.flats)

    def _new_flight(self) -> Flight:
        setup = self._setup("projections", self._params.projections)
        trigger: Literal["internal", "external"] = "external" if self._params.triggered else "internal"
        return Flight(
            self._devices,
            self._params,
            self._frame,
            replace(setup, trigger=trigger),
            self._state,
            self._interruption,
            self._beam,
            self._before,
        )

    def _summarise(self, flight: Flight) -> Plan:
        """Write the ledger's summary; an incomplete tomogram says so in the stop document."""
        if self._summarised:
            return
        summary, rows = flight.summary(), summary_rows()
        yield from rows.declare()
        rows.push([summary])
        yield from rows.emit()
        self._summarised = True
        if not summary.complete:
            self._reason = f"incomplete: {summary.message}"
            logger.warning("tomogram %s", self._reason)

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Stop, shut, bring in what was measured, put back."""
        devices, state = self._devices, self._state
        theta, camera = devices.sample.theta, devices.camera
        usual = devices.file.axes.sample_theta.velocity
        return (
            lambda: move(devices.shutter, "closed", self._interruption),
            lambda: stop(theta),
            lambda: step("position compare disarm", devices.position_compare.disarm),
            lambda: step("camera stop", camera.stop_acquiring),
            self._salvage,
            lambda: step("camera close file", camera.close_file),
            lambda: move(theta.velocity, usual, self._interruption),
            lambda: move(devices.sample.x, state.sample_x_um, self._interruption),
        )

    def _salvage(self) -> Plan:
        """Keep what a broken-off flight has measured."""
        if self._flight is None or self._summarised:
            return
        errors = yield from self._flight.salvage()
        yield from self._summarise(self._flight)
        if errors:
            raise errors[0]

    @property
    def hopeless(self) -> bool:
        """Whether most of it failed twice for one reason."""
        return self._flight is not None and self._flight.ledger.hopeless

    def how_far(self) -> str:
        """Projections that are good."""
        ledger = self._flight.ledger if self._flight else None
        good = self._params.projections - len(ledger.missing()) if ledger else len(self._before.good)
        flagged = f", {ledger.flagged} more flagged" if ledger and ledger.flagged else ""
        return f"{good} of {self._params.projections} projections good{flagged}"
