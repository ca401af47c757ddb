"""One run of structured illumination: darks, then blocks of patterns until there are enough."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

from bluesky import plan_stubs as bps

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.params import StructuredIllumination
from xsn_acq.plans.detectors import FRAMES, SPECTRA, Detectors
from xsn_acq.plans.exposing import AtRest, Exposing, OnTheFly, Shot
from xsn_acq.plans.framing import Framing, sample_out_um
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.measurement import FRAME_TIMEOUT_PERIODS, Measurement
from xsn_acq.plans.missing_frames import Lacking, MissingFrames
from xsn_acq.plans.pattern_rows import NONE, AssessmentRow, PatternRow, Verdict
from xsn_acq.plans.record import Rows
from xsn_acq.plans.steps import POLL_S, Plan, asked, move, move_together, shut, step, stop
from xsn_acq.plans.structured_state import StructuredState, structured_acquisition
from xsn_acq.plans.sure_points import SurePoints
from xsn_acq.plans.sweep import Segment, place_of, segments

LATE_FRAME_S = 2.0
"""A frame that comes so much later, and some periods, does not come: the sample is in the beam meanwhile."""


logger = logging.getLogger(__name__)


class Assessor(Protocol):
    """Assesses the patterns of a run whose documents it is given."""

    def verdict(self) -> Verdict | None:
        """What it says of all rows emitted so far; None while it is still at work."""


class StructuredRun(Measurement[StructuredInstrument, StructuredState]):
    """One run of the plan.

    Parameters
    ----------
    devices, params, frame, state, folder
        See `Measurement`.
    assessor : Assessor, optional
        See `xsn_acq.plans.structured_illumination.structured_illumination`.
    """

    def __init__(
        self,
        devices: StructuredInstrument,
        params: StructuredIllumination,
        frame: Framing,
        state: StructuredState,
        folder: Path,
        assessor: Assessor | None = None,
    ) -> None:
        super().__init__(devices, params, frame, state, folder)
        self._params, self._assessor = params, assessor
        self._assessments = Rows("assessments", AssessmentRow)
        late_s = devices.file.ring.late_s
        self._lacking = Lacking()
        self._points = SurePoints(
            PatternRow, self._beam, late_s, self._interruptions, self._shut, self._lacking.note
        )
        self._detectors: Detectors | None = None
        self._exposing: Exposing | None = None
        self._closures, self._missing, self._told = 0, MissingFrames(devices), False
        self._mark = (0, 0, 0)
        self._preset_s = asked(devices.beam_monitor.preset_s)

    def start(self) -> dict[str, Any]:
        """Name and technique, and what a reconstruction must know."""
        return {
            "plan_name": "structured_illumination",
            "technique": "nxsci",
            "acquisition": structured_acquisition(self._devices, self._params, self._frame, self._state),
        }

    def measure(self) -> Plan:
        """Darks, then block after block."""
        yield from self._darks()
        self._detectors = Detectors(self._devices, self._frames_setup(), self._spectra_setup())
        self._exposing = self._way_to_expose(self._detectors)
        yield from self._points.declare()
        with self._interruption.making_safe(lambda: shut(self._devices.shutter)):
            yield from self._sweep()
        yield from self._shut()
        yield from self._detectors.close()
        self._reason = self._lacking.reason
        if self._reason:
            logger.warning("sweep %s", self._reason)

    def _sweep(self) -> Plan:
        """All condenser settings, or until the patterns are enough."""
        if self._params.adaptive is None:
            yield from self._points.take([part for block in self._blocks() for part in block], self._take)
            return
        yield from self._assessments.declare()
        stale_setting = NONE
        for block in self._blocks():
            if block[0].setting == stale_setting:
                continue
            yield from self._points.take(block, self._take)
            verdict = yield from self._judged()
            if verdict.enough:
                return
            if verdict.stale:
                stale_setting = block[0].setting

    def _blocks(self) -> Iterator[tuple[Segment, ...]]:
        number = 0
        for setting in range(len(self._params.settings)):
            for block in segments(self._params, setting, number):
                yield block
                number += 1

    def _judged(self) -> Plan:
        """Wait for the verdict on all patterns so far, beam off: no dose while one thinks; it is recorded."""
        yield from self._shut()
        assert self._assessor is not None
        while (verdict := self._assessor.verdict()) is None:
            yield from bps.sleep(POLL_S)
        self._assessments.push([AssessmentRow.of(verdict)])
        yield from self._assessments.emit()
        return verdict

    def _take(self, segment: Segment) -> Plan:
        """Go there and expose the patterns of a segment; their rows."""
        devices = self._devices
        sample_x = self._sample_x_um(segment)
        if devices.shutter.state() == "open" and _away(devices.sample.x, sample_x):
            yield from self._shut()
        yield from self._beam.wait(resting=self._shut)
        places = [place_of(self._params, pattern).fine_x_mm for pattern in segment.patterns]
        yield from self._go_to(segment, places)
        if devices.shutter.state() != "open":
            yield from move(devices.shutter, "open", self._interruption)
        current_ma, self._mark = asked(devices.ring.current), self._interruptions()
        assert self._exposing is not None
        shots = yield from self._exposing.expose(segment.patterns, places, spectra=segment.sample_in)
        self._closures += devices.shutter.state() != "open"
        current_ma = 0.5 * (current_ma + asked(devices.ring.current))
        where = self._where()
        rows = tuple(self._row(segment, shot, current_ma, where) for shot in shots)
        if self._interruptions() == self._mark:
            self._missing.count(shots, spectra=segment.sample_in)
        if segment.sample_in:
            self._tell_flags()
        return rows

    def _tell_flags(self) -> None:
        """Say once, while there is time to do something about it, that spectra will be left out."""
        if self._told:
            return
        vortex = self._devices.vortex
        flags = vortex.frame_flags()
        if flags.any():
            self._told = True
            logger.warning(
                "%s: spectrum %d is saturated or tells no dead time: look at its rate, move it away "
                "(fluorescence_stage) or attenuate the beam",
                vortex.name,
                int(flags.nonzero()[0][0]),
            )

    def _go_to(self, segment: Segment, places_mm: Sequence[float]) -> Plan:
        """All motors together; those that stand there already are left alone."""
        assert self._exposing is not None
        devices, place = self._devices, place_of(self._params, segment.patterns[0])
        condenser = devices.condenser
        targets = (
            (devices.sandpaper_coarse.x, place.coarse_x_mm),
            (devices.sandpaper_coarse.y, place.coarse_y_mm),
            (devices.sandpaper_fine.x, self._exposing.arrive(places_mm)),
            (devices.sandpaper_fine.y, place.fine_y_mm),
            (condenser.x, place.condenser.x_um),
            (condenser.y, place.condenser.y_um),
            (condenser.pitch, place.condenser.pitch_urad),
            (condenser.yaw, place.condenser.yaw_urad),
            (devices.sample.x, self._sample_x_um(segment)),
        )
        yield from self._move(targets)

    def _move(self, targets: Sequence[tuple[Any, float]]) -> Plan:
        astray = [(motor, target) for motor, target in targets if _away(motor, target)]
        yield from move_together(astray, self._interruption)

    def _sample_x_um(self, segment: Segment) -> float:
        return (
            self._state.sample_x_um if segment.sample_in else sample_out_um(self._devices.file, self._params)
        )

    def _shut(self) -> Plan:
        yield from move(self._devices.shutter, "closed", self._interruption)

    def _where(self) -> dict[str, float]:
        """Where the motors are that stand during a segment, by the fields of its rows."""
        devices = self._devices
        coarse, sample = devices.sandpaper_coarse, devices.sample
        return {
            "coarse_x_mm": asked(coarse.x.user_readback),
            "coarse_y_mm": asked(coarse.y.user_readback),
            "fine_y_mm": asked(devices.sandpaper_fine.y.user_readback),
            "sample_x_um": asked(sample.x.user_readback),
            "theta_deg": asked(sample.theta.user_readback),
        }

    def _row(self, segment: Segment, shot: Shot, current_ma: float, where: Mapping[str, float]) -> PatternRow:
        complete = shot.frame != NONE and (shot.spectrum != NONE or not segment.sample_in)
        return PatternRow(
            pattern=shot.pattern,
            kind=segment.kind,
            block=segment.block,
            setting=segment.setting,
            frame=shot.frame,
            spectrum=shot.spectrum,
            fine_x_mm=shot.fine_x_mm,
            **where,
            beam_counts_s=shot.beam_counts_s,
            ring_current_ma=current_ma,
            ended=time.time(),
            status="ok" if complete else "missing",
        )

    def _way_to_expose(self, detectors: Detectors) -> Exposing:
        if self._params.mode == "step":
            return AtRest(self._devices, detectors, self._params.exposure_s)
        return OnTheFly(
            self._devices,
            detectors,
            self._frame,
            self._params.sheets.step_mm,
            self._interruption,
            lambda: self._interruptions() != self._mark,
        )

    def _frames_setup(self) -> CameraSetup:
        trigger: Literal["internal", "external"] = "external" if self._params.triggered else "internal"
        return replace(self._setup(FRAMES, 1), trigger=trigger, frame_timeout_s=self._frame_timeout_s())

    def _spectra_setup(self) -> SpectraSetup:
        return SpectraSetup(
            stream=SPECTRA,
            folder=self._folder / self._uid[:8],
            filename=SPECTRA,
            frames=1,
            exposure_s=self._params.exposure_s,
            trigger="gate" if self._params.triggered else "internal",
            frame_timeout_s=self._frame_timeout_s(),
        )

    def _frame_timeout_s(self) -> float:
        return LATE_FRAME_S + FRAME_TIMEOUT_PERIODS * self._frame.period_s

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Shut, stop, keep what was measured, move back."""
        devices, state = self._devices, self._state
        fine, usual = devices.sandpaper_fine.x, devices.file.axes.sandpaper_fine_x.velocity
        before = state.condenser
        moved = (
            (devices.sandpaper_coarse.x, state.coarse_x_mm),
            (devices.sandpaper_coarse.y, state.coarse_y_mm),
            (fine, state.fine_x_mm),
            (devices.sandpaper_fine.y, state.fine_y_mm),
            (devices.condenser.x, before.x_um),
            (devices.condenser.y, before.y_um),
            (devices.condenser.pitch, before.pitch_urad),
            (devices.condenser.yaw, before.yaw_urad),
            (devices.sample.x, state.sample_x_um),
        )
        return (
            self._shut,
            *(lambda motor=motor: stop(motor) for motor, _ in moved),
            lambda: step("position compare disarm", devices.position_compare.disarm),
            lambda: step("camera stop", devices.camera.stop_acquiring),
            lambda: step("vortex stop", devices.vortex.stop_acquiring),
            self._salvage,
            lambda: step("camera close file", devices.camera.close_file),
            lambda: step("vortex close file", devices.vortex.close_file),
            lambda: move(fine.velocity, usual, self._interruption),
            lambda: bps.abs_set(devices.beam_monitor.preset_s, self._preset_s, wait=True),
            *(lambda pair=pair: self._move([pair]) for pair in moved),
        )

    def _salvage(self) -> Plan:
        """Announce the frames of a run that was broken off, with the rows of their patterns."""
        if self._detectors is not None and self._detectors.opened:
            yield from self._detectors.announce(self._detectors.opened)
            yield from self._points.give_up()

    def how_far(self) -> str:
        """Segments that are good, and lack nothing."""
        what = "lines" if self._params.mode == "fly" else "exposures"
        return f"{self._points.good} {what} good"

    def _interruptions(self) -> tuple[int, int, int]:
        """Pauses, losses of beam, and how often the shutter was found shut after frames."""
        return self._interruption.pauses, self._beam.losses, self._closures


def _away(motor: Any, target: float) -> bool:
    """Whether a motor stands elsewhere, or nobody knows where (NaN)."""
    return not abs(asked(motor.user_readback) - target) <= float(motor.axis.tolerance)
