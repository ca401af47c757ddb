"""Projections on the fly: trains of pulses at constant velocity, until every target has its frame."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from bluesky import plan_stubs as bps
from bluesky.utils import short_uid

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.operation import require_connected
from xsn_acq.devices.position_compare import PulseTrain
from xsn_acq.params import FlyTomography
from xsn_acq.params.progress import NOTHING, PartProgress
from xsn_acq.plans.beam import Beam, Confirmed
from xsn_acq.plans.framing import Framing, sweep
from xsn_acq.plans.instrument import FullFieldInstrument
from xsn_acq.plans.ledger import Ledger
from xsn_acq.plans.record import ledger_rows
from xsn_acq.plans.rows import Summary, neighbours
from xsn_acq.plans.state import TurningState
from xsn_acq.plans.steps import POLL_S, Interruption, Plan, every_one, finished, move, shut, step, stop
from xsn_acq.plans.stills import FLUSH_S, open_stream

PATIENCE_S = 2.0
PATIENCE_PERIODS = 2
"""After the stage has passed, no new frame for so long means that none will come."""
RUN_UP_FRAMES = 1000
"""Frames a free-running camera may take before the first and after the last angle."""


class Flight:
    """The projections of one run: `fly`, and `salvage` when that was interrupted for good.

    Parameters
    ----------
    devices : FullFieldInstrument
        The instrument.
    params : FlyTomography
        What to take.
    frame : Framing
        Shape and timing of the frames.
    setup : CameraSetup
        File and settings of the ``projections`` stream.
    state : TurningState
        Velocity and acceleration of the rotation stage before the scan.
    interruption : Interruption
        Tells of pauses.
    beam : Beam
        Tells of losses of beam.
    before : PartProgress
        What earlier runs have of the same tomogram.
    """

    def __init__(
        self,
        devices: FullFieldInstrument,
        params: FlyTomography,
        frame: Framing,
        setup: CameraSetup,
        state: TurningState,
        interruption: Interruption,
        beam: Beam,
        before: PartProgress = NOTHING,
    ) -> None:
        self.ledger = Ledger(frame.rhythm(params), good=before.good, phase_deg=before.phase_deg)
        self.rows = ledger_rows()
        self._devices, self._params, self._state = devices, params, state
        self._setup, self._interruption, self._beam = setup, interruption, beam
        self._rhythm = self.ledger.rhythm
        self._frames_before = self._counted = self._others = 0
        self._ring_current_ma = math.nan
        self._opened = False
        self._armed_for = 0
        self._flying = False
        self._before = (0, 0)
        self._cut = False
        self._confirmed = Confirmed(devices.file.ring.late_s)
        self._sound = 0
        self._angles = self._pulse_times = self._frame_times = np.empty(0)

    def open(self) -> Plan:
        """Open the file, before there is a train."""
        frames = self._frames_for(len(self.ledger.missing()))
        yield from open_stream(self._devices.camera, replace(self._setup, frames=frames))
        self._opened, self._armed_for = True, frames

    def _frames_for(self, targets: int) -> int:
        """Frames the camera is armed for; one that runs freely also takes some before and after."""
        return 2 * targets + RUN_UP_FRAMES if self._rhythm.phase_free else targets

    def fly(self) -> Plan:
        """Fly; then fly again, as many rounds as asked for, over exactly the angles that have no frame.

        A pause or a loss of beam stops the stage; after it the angles not yet taken are flown, which counts
        as no round.
        """
        yield from self.rows.declare()
        rounds = 0
        while rounds <= self._params.retakes and not self.ledger.hopeless:
            missing = self.ledger.missing()
            if not missing:
                break
            for targets in self._trains(missing):
                yield from self._before_train(targets)
                interrupted = yield from self._train(targets)
                if interrupted:
                    break
            else:
                rounds += 1
        yield from step("camera close file", self._devices.camera.close_file)

    def _trains(self, missing: Sequence[int]) -> list[tuple[int, ...]]:
        """Targets of each train that takes what is missing."""
        return neighbours(missing)

    def _before_train(self, targets: Sequence[int]) -> Plan:
        """Do what has to be done before a train of these targets."""
        yield from bps.null()

    def salvage(self) -> Plan:
        """Bring in the frames and rows of a train that was broken off; the errors, in order."""
        if not self._flying:
            return []
        self._cut = True
        return (yield from every_one(self._halt, self._tally))

    def summary(self) -> Summary:
        """What became of the projections."""
        written = self._frames_before
        others = self._others
        return self.ledger.summary(counted=max(self._counted, written) - others, written=written - others)

    def _train(self, targets: tuple[int, ...]) -> Plan:
        """Fly over neighbouring targets; whether it was cut short."""
        devices, theta = self._devices, self._devices.sample.theta
        tolerance = devices.file.axes.sample_theta.tolerance
        start = self.ledger.start_deg(targets[0])
        turn = sweep(self._rhythm, start, len(targets), self._state.theta_acceleration_s, tolerance)
        losses = yield from self._beam.wait()
        yield from move(theta.velocity, devices.file.axes.sample_theta.velocity, self._interruption)
        yield from move(theta, turn.begin_deg, self._interruption)
        yield from move(theta.velocity, self._rhythm.velocity_deg_s, self._interruption)
        yield from self._arm(targets, start, losses)
        with self._interruption.making_safe(lambda: shut(devices.shutter)):
            yield from move(devices.shutter, "open", self._interruption)
            group = short_uid("turn")
            turning = yield from bps.abs_set(theta, turn.end_deg, group=group)
            yield from self._follow(turning, group)
            yield from self._halt()
        yield from move(devices.shutter, "closed", self._interruption)
        yield from self._tally()
        return self._interrupted

    def _arm(self, targets: tuple[int, ...], start_deg: float, losses: int) -> Plan:
        """Camera and position compare wait for the stage; pauses from here on count, and further losses."""
        self._before, self._cut = (self._interruption.pauses, losses), False
        self._confirmed, self._sound = Confirmed(self._devices.file.ring.late_s), 0
        camera, compare = self._devices.camera, self._devices.position_compare
        frames = self._frames_for(len(targets))
        direction: Literal[1, -1] = 1 if self._rhythm.step_deg > 0 else -1
        train = PulseTrain(
            start=start_deg,
            step=abs(self._rhythm.step_deg),
            count=len(targets),
            direction=direction,
            source="camera" if self._rhythm.phase_free else "position",
        )
        if not self._opened:
            yield from self.open()
        if self._armed_for != frames:
            yield from finished(bps.prepare(camera, Rearm(frames, self._setup.trigger), wait=True))
        self._armed_for = 0
        yield from finished(bps.prepare(compare, train, wait=True))
        self.ledger.begin(targets, self._frames_before)
        self._flying = True
        self._angles = self._pulse_times = self._frame_times = np.empty(0)
        yield from finished(bps.kickoff(compare, wait=True))
        yield from finished(bps.kickoff(camera, wait=True))

    def _follow(self, turning: Any, group: str) -> Plan:
        """Announce frames and rows while the stage turns, and until the last frame is there."""
        while not self._interrupted:
            yield from bps.wait(group, timeout=FLUSH_S, error_on_timeout=False)
            yield from self._announce()
            self._devices.camera.hdf.check()
            if turning is None or turning.done:
                break
        patience = PATIENCE_S + PATIENCE_PERIODS * self._rhythm.period_s
        seen, since = self._seen, time.monotonic()
        while not (self._interrupted or self.ledger.all_came):
            yield from bps.sleep(POLL_S)
            yield from self._announce()
            if self._seen != seen:
                seen, since = self._seen, time.monotonic()
            elif time.monotonic() - since > patience:
                break

    def _halt(self) -> Plan:
        """The stage stands, nothing triggers any more, and every frame is written."""
        camera, compare = self._devices.camera, self._devices.position_compare
        if self._interrupted:
            yield from stop(self._devices.sample.theta)
        if self._flying and len(self._angles) == len(self.ledger.targets):
            yield from finished(bps.complete(compare, wait=True))
        yield from step("position compare disarm", compare.disarm)
        yield from step("camera stop", camera.stop_acquiring)
        yield from finished(bps.complete(camera, wait=True))

    def _tally(self) -> Plan:
        """Read what came last; the ledger then knows what is missing. An abort meanwhile is passed on."""
        if not self._flying:
            return
        failure: Exception | None = None
        try:
            yield from self._read_all()
        except Exception as error:
            failure = error
        self._flying = False
        self.rows.push(self.ledger.end(ring_current_ma=self._ring_current_ma))
        yield from self.rows.emit()
        self._frames_before += len(self._frame_times)
        if failure is not None:
            raise failure

    def _read_all(self) -> Plan:
        """Wait until the times of all frames written can be read, and these frames are beyond doubt."""
        until = time.monotonic() + PATIENCE_S + self._devices.file.ring.late_s
        yield from self._announce()
        self._counted = self._devices.camera.frames_counted()
        wanted = self._devices.camera.frames_written() - self._frames_before
        while not self._settled(wanted) and time.monotonic() < until:
            yield from bps.sleep(POLL_S)
            yield from self._announce()

    def _settled(self, wanted: int) -> bool:
        """Whether so many frames are known, and none of them will yet turn out sound."""
        return len(self._frame_times) >= wanted and (self._interrupted or self._sound >= wanted)

    def _announce(self) -> Plan:
        """Emit the documents of new frames and the ledger rows that are beyond doubt."""
        devices = self._devices
        camera, compare = devices.camera, devices.position_compare
        yield from bps.collect(camera, name=self._setup.stream)
        known, sound = len(self._frame_times), self._sound
        frame_times = camera.frame_times_s()[self._frames_before :]
        self._look(len(frame_times))
        nothing_new = len(frame_times) == known and self._sound == sound
        if nothing_new and len(self._angles) == len(self.ledger.targets):
            return
        require_connected("instrument", "fly", (camera.hdf.captured, compare.captures, devices.ring.current))
        self._frame_times = frame_times
        self._angles, self._pulse_times = compare.captured()
        self.rows.push(
            self.ledger.push(
                self._angles,
                self._pulse_times,
                frame_times,
                sound=self._sound,
                ring_current_ma=self._ring_current_ma,
            )
        )
        yield from self.rows.emit()

    def _look(self, frames: int) -> None:
        """Which of the frames there are now beyond doubt; none any more after an interruption."""
        if not self._interrupted:
            self._beam.look()
        if self._interrupted:
            self.ledger.break_off()
        else:
            self._sound = self._confirmed.look(frames, time.monotonic())
            self._ring_current_ma = float(self._devices.ring.current.get())

    @property
    def _interrupted(self) -> bool:
        """Whether the train is cut short: a pause or a loss of beam since it was armed, or an abort."""
        return self._cut or self._interruptions != self._before

    @property
    def _interruptions(self) -> tuple[int, int]:
        return self._interruption.pauses, self._beam.losses

    @property
    def _seen(self) -> tuple[int, int]:
        return len(self._angles), len(self._frame_times)
