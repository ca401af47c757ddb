"""Projections on the fly with references between them: frames in one file, rows that say which they are."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bluesky import plan_stubs as bps

from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.params import SpeckleTomography
from xsn_acq.plans.fly import PATIENCE_S, Flight
from xsn_acq.plans.framing import sample_out_um
from xsn_acq.plans.record import Rows
from xsn_acq.plans.steps import POLL_S, Plan, finished, meanwhile, move, shut
from xsn_acq.plans.stills import expose

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReferenceSpan:
    """References in the file of the projections: their first frame, how many, Unix time of their middle."""

    first_frame: int
    frames: int
    time_s: float


class SpeckleFlight(Flight):
    """The projections at one position of the diffuser; references again after so many of them.

    Parameters
    ----------
    devices, params, ...
        See `Flight`.
    """

    def __init__(self, devices: Any, params: SpeckleTomography, *more: Any) -> None:
        super().__init__(devices, params, *more)
        self._every, self._references = params.references_every, params.references
        self._sample_out_um = sample_out_um(devices.file, params)
        self._since = 0
        self.trains: list[tuple[float, int]] = []
        self.series = 0
        self._spans = Rows("reference_spans", ReferenceSpan)

    def fly(self) -> Plan:
        """Fly as `Flight` does, in trains of so many projections."""
        if self._every is not None:
            yield from self._spans.declare()
        yield from super().fly()

    def _trains(self, missing: Sequence[int]) -> list[tuple[int, ...]]:
        """Neighbours, no more of them than are flown between two series of references."""
        whole = super()._trains(missing)
        if self._every is None:
            return whole
        return [
            run[first : first + self._every] for run in whole for first in range(0, len(run), self._every)
        ]

    def _before_train(self, targets: Sequence[int]) -> Plan:
        """References, where with this train more projections than so many would follow those before."""
        if self._every is not None and self._since and self._since + len(targets) > self._every:
            yield from self._take_references()
            self._since = 0
        self._since += len(targets)

    def _train(self, targets: tuple[int, ...]) -> Plan:
        """Take note of what was flown: of a train cut short, as many projections as it has frames."""
        before = self._frames_before
        cut = yield from super()._train(targets)
        count = self._frames_before - before if cut else len(targets)
        self.trains.append((self.ledger.start_deg(targets[0]), count))
        return cut

    def _take_references(self) -> Plan:
        """Move the sample out, take references, move it in; again where a pause or a loss of beam came."""
        devices, interruption = self._devices, self._interruption
        sample_x, camera, steady = devices.sample.x, devices.camera, False
        while not steady:
            self.series += 1
            losses, pauses = (yield from self._beam.wait()), interruption.pauses
            first = camera.frames_written()
            ready = finished(bps.prepare(camera, Rearm(self._references, "internal"), wait=True))
            yield from meanwhile(sample_x, self._sample_out_um, interruption, ready)
            with interruption.making_safe(lambda: shut(devices.shutter)):
                yield from move(devices.shutter, "open", interruption)
                yield from expose(camera, self._setup.stream)
            yield from move(devices.shutter, "closed", interruption)
            confirmed = self._beam.confirm(losses, since_s=time.monotonic())
            lasted = yield from meanwhile(sample_x, self._state.sample_x_um, interruption, confirmed)
            self._others += camera.frames_written() - first
            self._frames_before = camera.frames_written()
            steady = lasted and interruption.pauses == pauses
        time_s = yield from self._middle_s(first)
        if math.isnan(time_s):
            logger.warning("references from frame %d on are left out: their times cannot be read", first)
            return
        self._spans.push([ReferenceSpan(first, self._references, time_s)])
        yield from self._spans.emit()

    def _middle_s(self, first: int) -> Plan:
        """Unix time of the middle of the references from a frame on; NaN where their times cannot be read."""
        until, camera = time.monotonic() + PATIENCE_S, self._devices.camera
        times = camera.frame_times_s()[first:]
        while len(times) < self._references and time.monotonic() < until:
            yield from bps.sleep(POLL_S)
            times = camera.frame_times_s()[first:]
        return float(times.mean()) if len(times) else math.nan
