"""Camera and fluorescence detector at work together: armed, exposed, announced, closed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.utils import short_uid
from ophyd.status import StatusBase

from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.devices.operation import in_background
from xsn_acq.devices.spectra_setup import SpectraSetup
from xsn_acq.errors import DeviceError, UnansweredError
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.steps import POLL_S, Plan, Step, finished, step
from xsn_acq.plans.stills import FLUSH_S

logger = logging.getLogger(__name__)

FRAMES, SPECTRA = "patterns", "spectra"
"""The streams."""


class Detectors:
    """One file of frames and one of spectra, both open from the first exposure to `close`.

    Parameters
    ----------
    devices : StructuredInstrument
    camera, spectra : CameraSetup, SpectraSetup
        Of the files; how many frames there are is said when they are armed.
    """

    def __init__(self, devices: StructuredInstrument, camera: CameraSetup, spectra: SpectraSetup) -> None:
        self._camera, self._vortex = devices.camera, devices.vortex
        self._setups: dict[str, Any] = {FRAMES: camera, SPECTRA: spectra}
        self._devices: dict[str, Any] = {FRAMES: self._camera, SPECTRA: self._vortex}
        self._open: set[str] = set()
        self._wanted: dict[str, int] = {}

    @property
    def opened(self) -> tuple[str, ...]:
        """Streams whose file is open."""
        return tuple(name for name in (FRAMES, SPECTRA) if name in self._open)

    def written(self, stream: str) -> int:
        """Frames in the file of a stream."""
        return int(self._devices[stream].frames_written()) if stream in self._open else 0

    def times_s(self, stream: str) -> Any:
        """Unix times of the frames of a stream, seconds, (frames,)."""
        return self._devices[stream].frame_times_s()

    def arm(self, frames: int, streams: Sequence[str]) -> Plan:
        """Make ready for so many frames of each of these streams; opens their files the first time."""
        for stream in streams:
            device = self._devices[stream]
            self._wanted[stream] = self.written(stream) + frames
            if stream in self._open:
                yield from finished(bps.prepare(device, Rearm(frames), wait=True))
                continue
            yield from finished(bps.prepare(device, replace(self._setups[stream], frames=frames), wait=True))
            yield from bps.declare_stream(device, name=stream, collect=True)
            self._open.add(stream)

    def start(self, streams: Sequence[str]) -> Plan:
        """Let them wait for their triggers, or begin at once where they have none."""
        for stream in streams:
            yield from finished(bps.kickoff(self._devices[stream], wait=True))

    def await_all(self, streams: Sequence[str]) -> Plan:
        """Wait until each has the frames it is armed for, and announce them; the first failure is raised."""
        yield from self._await(streams, {stream: self._devices[stream].complete for stream in streams})

    def await_what_comes(self, streams: Sequence[str]) -> Plan:
        """Do the same, but frames that do not come are no failure; those that wait to be written are."""
        yield from self._await(streams, {stream: partial(self._complete, stream) for stream in streams})

    def _await(self, streams: Sequence[str], actions: Mapping[str, Callable[[], StatusBase]]) -> Plan:
        group, statuses = short_uid("frames"), []
        for stream in streams:
            status = yield from bps.trigger(Step(f"{stream} complete", actions[stream]), group=group)
            statuses.append(status)
        while True:
            known = yield from bps.wait(group, timeout=FLUSH_S, error_on_timeout=False)
            ended = all(status is None or status.done for status in statuses)
            yield from self.announce(streams)
            if ended:
                return
            if known:  # after a pause the RunEngine knows the group no more
                yield from bps.sleep(POLL_S)

    def _complete(self, stream: str) -> StatusBase:
        """Wait for the frames of a stream; the status ends well when only frames are lacking.

        Frames that were counted and are not in the file would come later, as those of other patterns.
        """
        device, wanted = self._devices[stream], self._wanted[stream]

        def wait() -> None:
            try:
                device.complete().wait()
            except DeviceError as error:
                foreign = isinstance(error, UnansweredError) or error.operation != "complete"
                if foreign or device.frames_written() >= wanted or _keeps_frames_back(device):
                    raise
                logger.warning("%s", error)

        return in_background(device, "complete", wait)

    def announce(self, streams: Sequence[str]) -> Plan:
        """Emit the documents of new frames."""
        for stream in streams:
            yield from bps.collect(self._devices[stream], name=stream)

    def stop(self, streams: Sequence[str]) -> Plan:
        """Expose no more."""
        for stream in streams:
            yield from step(f"{stream} stop", self._devices[stream].stop_acquiring)

    def close(self) -> Plan:
        """Close the files that are open."""
        for stream in self.opened:
            self._open.discard(stream)
            yield from step(f"{stream} close file", self._devices[stream].close_file)


def _keeps_frames_back(device: Any) -> bool:
    """Whether the writer has frames of a detector that it has not written."""
    return bool(device.frames_counted() > device.frames_written())
