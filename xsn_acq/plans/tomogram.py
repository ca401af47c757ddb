"""One run with projections on the fly: their flight, its summary, all put back."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

from xsn_acq.params import FlyTomography
from xsn_acq.params.progress import NOTHING, PartProgress
from xsn_acq.plans.fly import Flight
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import AnyInstrument
from xsn_acq.plans.measurement import Measurement
from xsn_acq.plans.record import summary_rows
from xsn_acq.plans.state import AnyTurningState
from xsn_acq.plans.steps import Plan, move, step, stop

logger = logging.getLogger(__name__)

AnyFlight = TypeVar("AnyFlight", bound=Flight)


class FlyRun(Measurement[AnyInstrument, AnyTurningState], Generic[AnyInstrument, AnyTurningState]):
    """One run of a plan whose projections are taken on the fly.

    Parameters
    ----------
    devices, params, frame, state, folder
        See `Measurement`.
    before : PartProgress
        What earlier runs have of the same tomogram: only the rest is flown.
    """

    def __init__(
        self,
        devices: AnyInstrument,
        params: FlyTomography,
        frame: Framing,
        state: AnyTurningState,
        folder: Path,
        before: PartProgress = NOTHING,
    ) -> None:
        super().__init__(devices, params, frame, state, folder)
        self._fly_params, self._before = params, before
        self._flight: Flight | None = None
        self._summarised = False

    def _new_flight(self, kind: Callable[..., AnyFlight]) -> AnyFlight:
        """A flight that has flown nothing; ``kind``: `Flight`, or one of its kind."""
        setup = self._setup("projections", self._fly_params.projections)
        trigger: Literal["internal", "external"] = "external" if self._fly_params.triggered else "internal"
        return kind(
            self._devices,
            self._fly_params,
            self._frame,
            replace(setup, trigger=trigger),
            self._state,
            self._interruption,
            self._beam,
            self._before,
        )

    def _fly(self, flight: Flight) -> Plan:
        """Take the projections, and summarise them."""
        self._flight = flight
        yield from flight.fly()
        yield from self._summarise(flight)

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
        good = self._fly_params.projections - len(ledger.missing()) if ledger else len(self._before.good)
        flagged = f", {ledger.flagged} more flagged" if ledger and ledger.flagged else ""
        return f"{good} of {self._fly_params.projections} projections good{flagged}"
