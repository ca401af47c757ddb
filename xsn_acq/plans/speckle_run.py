"""The run of one position of the diffuser: darks, flats, references, projections, references."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xsn_acq.errors import SpoiltFramesError
from xsn_acq.params import SpeckleTomography
from xsn_acq.params.progress import PartProgress
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import SpeckleInstrument
from xsn_acq.plans.record import Rows
from xsn_acq.plans.speckle_estimate import Taken, speckle_times
from xsn_acq.plans.speckle_flight import SpeckleFlight
from xsn_acq.plans.speckle_state import SpeckleState, speckle_acquisition
from xsn_acq.plans.steps import Plan, meanwhile, move, move_together
from xsn_acq.plans.stills import open_stream
from xsn_acq.plans.tomogram import FlyRun

logger = logging.getLogger(__name__)

SPOILT = "spoilt"
"""Stream whose rows name streams that were interrupted."""


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Where the time of a run went, seconds; ``duration_s`` is by this computer's clock.

    Exposures and motors are nominal, of all that was exposed and flown in it, retakes and repeated references
    included. ``overhead_s`` is what is left, below zero where a simulated clock runs faster than this one.
    """

    duration_s: float
    exposures_s: float
    motors_s: float
    overhead_s: float


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A stream whose frames count for nothing."""

    stream: str


class PositionTomogram(FlyRun[SpeckleInstrument, SpeckleState]):
    """One run of the plan.

    Parameters
    ----------
    devices, frame, state, folder, before
        See `FlyRun`.
    params : SpeckleTomography
        Of this position.
    place_mm : tuple of float
        Where the diffuser goes, (x, y).
    more : mapping
        Entries of the start document about the series.
    """

    def __init__(
        self,
        devices: SpeckleInstrument,
        params: SpeckleTomography,
        frame: Framing,
        state: SpeckleState,
        folder: Path,
        *,
        place_mm: tuple[float, float],
        before: PartProgress,
        more: Mapping[str, Any],
    ) -> None:
        super().__init__(devices, params, frame, state, folder, before)
        self._params, self._place_mm, self._more = params, place_mm, more

    def start(self) -> dict[str, Any]:
        """Name, technique, what a reconstruction must know, and of which series it is."""
        acquisition = speckle_acquisition(self._devices.file, self._params, self._frame, self._state)
        tomogram = self._params.model_dump(mode="json")
        return {"technique": "pwf", "acquisition": acquisition, "tomogram": tomogram, **self._more}

    def measure(self) -> Plan:
        """Darks, flats, references, projections, references."""
        begun_s, params, flight = time.monotonic(), self._params, self._new_flight(SpeckleFlight)
        yield from self._darks()
        yield from self._flats()
        yield from self._without_sample("references", params.references, flight.open)
        yield from self._fly(flight)
        if params.references_after:
            yield from self._references_after()
        taken = Taken(tuple(flight.trains), flight.series + params.references_after)
        yield from self._tell_times(time.monotonic() - begun_s, taken)

    def _references_after(self) -> Plan:
        """Where a pause or a loss of beam spoils them they are named and count for nothing; all else does."""
        stream = "references_after"
        try:
            yield from self._without_sample(stream, self._params.references)
        except SpoiltFramesError as error:
            logger.warning(
                "%s: %s: a pause or a loss of beam spoilt them; they are left out, the run is whole",
                error.device,
                stream,
            )
            rows = Rows(SPOILT, Spoilt)
            yield from rows.declare()
            rows.push([Spoilt(stream)])
            yield from rows.emit()

    def _tell_times(self, duration_s: float, taken: Taken) -> Plan:
        """Write where the time went, as a stream of its own."""
        file, theta_deg = self._devices.file, self._state.theta_deg
        wanted = speckle_times(file, self._params, self._frame, theta_deg, taken)
        exposures_s, motors_s = wanted.exposures_s, wanted.motors_s
        rows = Rows("run_times", RunTimes)
        yield from rows.declare()
        rows.push([RunTimes(duration_s, exposures_s, motors_s, duration_s - exposures_s - motors_s)])
        yield from rows.emit()

    def _flats(self) -> Plan:
        """The beam alone; then the diffuser moves in, the sample stays out."""
        devices, interruption = self._devices, self._interruption
        diffuser, sample_x = devices.diffuser, devices.sample.x
        opened = open_stream(devices.camera, self._setup("flats", self._params.flats))
        sample_out = meanwhile(sample_x, sample_out_um(devices.file, self._params), interruption, opened)
        yield from meanwhile(diffuser.x, devices.file.diffuser.x_out_mm, interruption, sample_out)
        places = list(zip((diffuser.x, diffuser.y), self._place_mm, strict=True))
        yield from self._steady_frames("flats", lambda: move_together(places, interruption))

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """The diffuser too."""
        diffuser, state, interruption = self._devices.diffuser, self._state, self._interruption
        return (
            *super().parts_to_put_back(),
            lambda: move(diffuser.x, state.diffuser_x_mm, interruption),
            lambda: move(diffuser.y, state.diffuser_y_mm, interruption),
        )
