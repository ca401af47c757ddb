"""X-ray schlieren nanotomography on the fly: darks, flats, projections with their ledger; all is put back."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.utils import RunEngineControlException

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.params import XsnTomography
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.checks import check_before, sample_out_um
from xsn_acq.plans.fly import Flight
from xsn_acq.plans.framing import Framing, framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.record import summary_rows
from xsn_acq.plans.state import State, acquisition, read_state
from xsn_acq.plans.steps import Interruption, Plan, every_one, in_plain_words, move, shut, step, stop
from xsn_acq.plans.stills import spoilt_frames, take_frames

logger = logging.getLogger(__name__)

FRAME_TIMEOUT_S = 10.0
FRAME_TIMEOUT_PERIODS = 3
"""Without a new frame for so long, darks and flats fail."""


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
    tomogram = _Tomogram(devices, params, frame, state, folder)
    yield from in_plain_words(bpp.rewindable_wrapper(tomogram.run(dict(md or {})), False))


class _Tomogram:
    """One run of the plan."""

    def __init__(
        self, devices: Instrument, params: XsnTomography, frame: Framing, state: State, folder: Path
    ) -> None:
        self._devices, self._params, self._frame, self._state = devices, params, frame, state
        self._folder = folder
        self._interruption = Interruption()
        self._beam = Beam(devices)
        self._flight: Flight | None = None
        self._summarised = False
        self._reason = ""
        self._not_put_back: list[Exception] = []

    def run(self, md: dict[str, Any]) -> Plan:
        """Open the run, measure, put everything back, close the run with its reason."""
        uid = yield from bps.open_run({**self._start(), **md})
        self._folder = self._folder / str(uid)[:8]
        measured = bpp.contingency_wrapper(
            in_plain_words(self._measure()), except_plan=self._restore_after, else_plan=self._restore
        )
        yield from bpp.contingency_wrapper(measured, except_plan=self._close_after, else_plan=self._close)

    def _start(self) -> dict[str, Any]:
        file, params = self._devices.file, self._params
        return {
            "plan_name": "xsn_tomography",
            "technique": "xsn",
            "params": params.model_dump(mode="json"),
            "beamline": file.model_dump(mode="json"),
            "acquisition": acquisition(file, params, self._frame, self._state),
            "note": params.note,
        }

    def _measure(self) -> Plan:
        yield from self._interruption.watch()
        with self._beam.watched():
            yield from self._darks()
            if self._params.takes_flats_before:
                yield from self._flats("flats")
            yield from self._projections()
            if self._params.takes_flats_after:
                yield from self._flats("flats_after")

    def _darks(self) -> Plan:
        yield from move(self._devices.shutter, "closed", self._interruption)
        yield from take_frames(self._devices.camera, self._setup("darks", self._params.darks))

    def _flats(self, stream: str) -> Plan:
        devices, out = self._devices, sample_out_um(self._devices.file, self._params)
        yield from move(devices.sample.x, out, self._interruption)
        losses = yield from self._beam.wait()
        before = self._interruption.pauses, losses
        with self._interruption.making_safe(lambda: shut(devices.shutter)):
            yield from move(devices.shutter, "open", self._interruption)
            yield from take_frames(
                devices.camera,
                self._setup(stream, self._params.flats),
                spoilt=lambda: (self._interruption.pauses, self._beam.losses) != before,
            )
        yield from move(devices.shutter, "closed", self._interruption)
        steady = yield from self._beam.confirm(losses)
        if not steady:
            raise spoilt_frames(devices.camera.name, stream)
        yield from move(devices.sample.x, self._state.sample_x_um, self._interruption)

    def _projections(self) -> Plan:
        setup = self._setup("projections", self._params.projections)
        trigger: Literal["internal", "external"] = (
            "external" if self._params.trigger == "position" else "internal"
        )
        self._flight = Flight(
            self._devices,
            self._params,
            self._frame,
            replace(setup, trigger=trigger),
            self._state,
            self._interruption,
            self._beam,
        )
        yield from self._flight.fly()
        yield from self._summarise(self._flight)

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

    def _restore(self) -> Plan:
        """Leave the hardware safe and as it was found."""
        errors = yield from self._put_back()
        self._not_put_back = errors[1:]
        if errors:
            raise errors[0]

    def _restore_after(self, error: Exception) -> Plan:
        """Do the same after an abort or a failure, whose own error stays the one that is raised."""
        errors = yield from self._put_back()
        self._not_put_back = [another for another in errors if str(another) != str(error)]
        for another in self._not_put_back:
            logger.warning("while putting things back after %r: %s", error, another)

    def _put_back(self) -> Plan:
        """Stop, shut, bring in what was measured, put back; the errors, in order."""
        devices, state = self._devices, self._state
        theta, camera = devices.sample.theta, devices.camera
        usual = devices.file.axes.sample_theta.velocity
        return (
            yield from every_one(
                lambda: move(devices.shutter, "closed", self._interruption),
                lambda: stop(theta),
                lambda: step("position compare disarm", devices.position_compare.disarm),
                lambda: step("camera stop", camera.stop_acquiring),
                self._salvage,
                lambda: step("camera close file", camera.close_file),
                lambda: move(theta.velocity, usual, self._interruption),
                lambda: move(devices.sample.x, state.sample_x_um, self._interruption),
            )
        )

    def _salvage(self) -> Plan:
        """Keep what a broken-off flight has measured."""
        if self._flight is None or self._summarised:
            return
        errors = yield from self._flight.salvage()
        yield from self._summarise(self._flight)
        if errors:
            raise errors[0]

    def _close(self) -> Plan:
        yield from bps.close_run(reason=self._reason or None)

    def _close_after(self, error: Exception) -> Plan:
        if isinstance(error, RunEngineControlException):
            ledger = self._flight.ledger if self._flight else None
            good = self._params.projections - len(ledger.missing()) if ledger else 0
            flagged = f", {ledger.flagged} more flagged" if ledger and ledger.flagged else ""
            reason = f"broken off: {good} of {self._params.projections} projections good{flagged}"
            status = error.exit_status
        else:
            reason, status = str(error), "fail"
        left = "".join(f"; NOT PUT BACK: {another}" for another in self._not_put_back)
        yield from bps.close_run(exit_status=status, reason=reason + left)

    def _setup(self, stream: str, frames: int) -> CameraSetup:
        params = self._params
        return CameraSetup(
            stream=stream,
            folder=self._folder,
            filename=stream,
            frames=frames,
            exposure_s=params.exposure_s,
            trigger="internal",
            binning=self._frame.binning,
            roi=self._frame.roi,
            readout_port=params.readout_port,
            frame_timeout_s=FRAME_TIMEOUT_S + FRAME_TIMEOUT_PERIODS * self._frame.period_s,
        )
