"""Kinetix camera with its file writer, as a bluesky flyer."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ophyd import Component as Cpt
from ophyd import Device
from ophyd.status import StatusBase

from xsn_acq.devices.camera_setup import CameraSetup, Rearm
from xsn_acq.devices.frame_file import FrameDocuments, FrameTimes
from xsn_acq.devices.hdf5_writer import Hdf5Writer
from xsn_acq.devices.kinetix_driver import KinetixDriver
from xsn_acq.devices.operation import LOOK_AGAIN_S, Completion, Turns, in_background, wait_until
from xsn_acq.errors import DeviceError

logger = logging.getLogger(__name__)

_START_TIMEOUT_S = 10.0
_LOOK_FOR_LAST_S = 0.01
"""When the camera has ended, its last frames are in the file soon, and no monitor tells of them."""


class Kinetix(Device):
    """Teledyne Kinetix (ADKinetix) and NDFileHDF5, one file for each `CameraSetup`.

    ``prepare(setup)`` opens the file, ``kickoff()`` starts, ``complete()`` ends when every frame is counted
    and written; ``prepare(Rearm(n))``, ``kickoff()``, ``complete()`` add n frames to the same file;
    ``close_file()``. Staging is not required; ``unstage()`` stops and closes. All but `complete` are done one
    after the other, in the order in which they were asked for.

    Frames are counted by the camera (NumImagesCounter) and by the writer (NumCaptured): a frame the camera
    loses leaves no gap in UniqueId.
    """

    cam = Cpt(KinetixDriver, "cam1:")
    hdf = Cpt(Hdf5Writer, "HDF1:")

    def __init__(self, prefix: str, *, name: str, **kwargs: Any) -> None:
        super().__init__(prefix, name=name, **kwargs)
        self._setup: CameraSetup | None = None
        self._times: FrameTimes | None = None
        self._documents: FrameDocuments | None = None
        self._dtype = "<u2"
        self._counted_before = 0
        self._target = 0
        self._index = 0
        self._running = False
        self._stop_asked = False
        self._turns = Turns()

    @property
    def image_key(self) -> str:
        """Key of the frames in descriptors."""
        return f"{self.name}_image"

    def prepare(self, value: CameraSetup | Rearm) -> StatusBase:
        """Apply a setup and open its file, or make ready for more frames into the open one.

        The status fails with `DeviceError` when a setting does not read back or the file exists.
        """
        if isinstance(value, Rearm):
            return self.rearm(value.frames)
        return self._next("prepare", lambda: self._prepare(value))

    def rearm(self, frames: int) -> StatusBase:
        """Make ready for ``frames`` more into the open file; then `kickoff` and `complete` again."""
        return self._next("rearm", lambda: self._rearm(frames))

    def kickoff(self) -> StatusBase:
        """Start acquiring; the status ends when the camera does."""
        return self._next("kickoff", self._kickoff)

    def complete(self) -> StatusBase:
        """Wait for every frame, counted and written.

        The status fails with `DeviceError` naming frames expected and counted when no frame comes for
        ``frame_timeout_s``, when somebody else stops the camera, or when the writer drops an array or fails.
        After our own `stop_acquiring` it ends well with the frames there are.
        """
        return in_background(self, "complete", self._complete)

    def stop_acquiring(self) -> StatusBase:
        """Stop, keeping the file open; a pending `complete` then ends once all frames counted are written."""
        self._stop_asked = True
        return self._next("stop", self._stop)

    def close_file(self) -> StatusBase:
        """Close the file, after every frame counted has been written.

        A file that an earlier session left open is closed as it is. The status fails with `DeviceError` when
        the file lacks frames.
        """
        return self._next("close", self._close)

    def stop(self, *, success: bool = False) -> None:
        """Stop acquiring and return at once; the file stays open."""
        self.stop_acquiring()

    def unstage(self) -> list[object]:
        """Stop and close the file, whatever state it is in; what goes wrong is logged, not raised.

        `close_file` is the one that checks.
        """
        for step in (self.stop_acquiring, self.close_file):
            try:
                step().wait()
            except DeviceError as error:
                logger.warning("%s", error)
        return super().unstage()

    def frames_counted(self) -> int:
        """Frames the camera has counted since the file was opened."""
        now = int(self.cam.images_counter.get()) if self._running else 0
        return self._counted_before + now

    def frames_written(self) -> int:
        """Frames in the file."""
        return self.hdf.frames()

    def dropped_arrays(self) -> int:
        """Arrays the writer has dropped since the file was opened."""
        return int(self.hdf.dropped.get(use_monitor=False))

    def frame_times_s(self) -> NDArray[np.float64]:
        """Read the Unix time at the end of readout of each frame in the file, shape (frames,)."""
        return np.empty(0) if self._times is None else self._times.read()

    def describe_collect(self) -> dict[str, dict[str, Any]]:
        """Describe the frames of the present file, shape [rows, columns]."""
        rows, columns = self._prepared("describe").frame_shape
        return {
            self.image_key: {
                "source": f"PV:{self.prefix}HDF1:",
                "shape": [rows, columns],
                "dtype": "array",
                "dtype_numpy": self._dtype,
                "external": "STREAM:",
            }
        }

    def get_index(self) -> int:
        """Frames that may be announced; the last number known when the writer no longer answers."""
        if self.hdf.captured.connected:
            self._index = self.hdf.frames()
        return self._index

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Announce the frames up to ``index``: one stream resource, then a stream datum for what is new."""
        if self._documents is not None:
            yield from self._documents.up_to(self.get_index() if index is None else index)

    def _next(self, operation: str, work: Callable[[], None]) -> StatusBase:
        return self._turns.start(self, operation, work)

    def _prepared(self, operation: str) -> CameraSetup:
        if self._setup is None:
            raise DeviceError(self.name, operation, "an open file", "none", hint="prepare it first")
        return self._setup

    def _prepare(self, setup: CameraSetup) -> None:
        self._setup, self._running = None, False
        self.cam.apply(setup)
        self.hdf.open(setup)
        self._dtype = self.cam.dtype_numpy()
        self._times = FrameTimes(setup.path)
        self._documents = FrameDocuments(self.image_key, setup.path, setup.frame_shape)
        self._counted_before, self._target, self._index = 0, setup.frames, 0
        self._setup = setup

    def _rearm(self, frames: int) -> None:
        self._prepared("rearm")
        if self.cam.is_acquiring():
            raise DeviceError(self.name, "rearm", "idle", "acquiring", hint="stop it first")
        counted = self.frames_counted()
        self.cam.images.apply(frames)
        self._counted_before, self._target, self._running = counted, counted + frames, False

    def _kickoff(self) -> None:
        self._prepared("kickoff")
        self._stop_asked = False
        ended = Completion()
        self.cam.acquire.put("Acquire", use_complete=True, callback=ended)
        started = wait_until(
            lambda: ended.done or self.cam.is_acquiring(),
            (self.cam.acquire, self.cam.state),
            device=self.name,
            operation="kickoff",
            timeout_s=_START_TIMEOUT_S,
            woken=ended.woken,
        )
        state = self.cam.state.get(use_monitor=False)
        if not started or state in ("Error", "Disconnected"):
            raise DeviceError(self.name, "kickoff", "acquiring", f"{state}: {self.cam.message.get()}")
        self._running = True

    def _complete(self) -> None:
        setup = self._prepared("complete")
        cam, hdf = self.cam, self.hdf
        signals = (cam.acquire, hdf.dropped, hdf.capture, hdf.write_status)
        counts = -1, -1
        while not self._finished():
            before, counts = counts, (self.frames_counted(), self.frames_written())
            if before == counts:
                hint = f"{counts[1]} written; no new frame for {setup.frame_timeout_s} s"
                raise DeviceError(self.name, "complete", self._target, counts[0], "frames", hint)
            wait_until(
                lambda: self._changed(counts) or self._finished(),  # noqa: B023  called in this round only
                signals,
                device=self.name,
                operation="complete",
                timeout_s=setup.frame_timeout_s,
                look_again_s=LOOK_AGAIN_S if cam.is_acquiring() else _LOOK_FOR_LAST_S,
            )
        if self.frames_counted():
            self.cam.check_frame_shape(setup.frame_shape)

    def _changed(self, counts: tuple[int, int]) -> bool:
        return (self.frames_counted(), self.frames_written()) != counts

    def _finished(self) -> bool:
        """Whether all is counted and written; raises when that can no longer come."""
        self.hdf.check()
        acquiring = self.cam.is_acquiring()
        counted, written = self.frames_counted(), self.frames_written()
        if not acquiring and counted < self._target and not self._stop_asked:
            hint = "the camera stopped by itself or from elsewhere"
            raise DeviceError(self.name, "complete", self._target, counted, "frames", hint)
        return written >= counted and (counted >= self._target or not acquiring)

    def _stop(self) -> None:
        self._stop_asked = True
        if not self.cam.is_acquiring():
            return
        self.cam.acquire.put("Done")
        signals = (self.cam.acquire,)
        idle = wait_until(
            lambda: not self.cam.is_acquiring(),
            signals,
            device=self.name,
            operation="stop",
            timeout_s=_START_TIMEOUT_S,
        )
        if not idle:
            raise DeviceError(self.name, "stop", "idle", f"acquiring after {_START_TIMEOUT_S} s")

    def _close(self) -> None:
        if self._setup is None:
            self.hdf.close()
            return
        timeout_s = self._setup.frame_timeout_s
        try:
            wait_until(
                self._nothing_on_its_way,
                (self.hdf.dropped, self.hdf.write_status),
                device=self.name,
                operation="close",
                timeout_s=timeout_s,
            )
            counted, written = self.frames_counted(), self.frames_written()
        finally:
            self._setup = None
            try:
                if self._times is not None:
                    self._times.close()
            finally:
                self.hdf.close()
        if written < counted:
            raise DeviceError(self.name, "close", counted, written, "frames written", "the file lacks frames")

    def _nothing_on_its_way(self) -> bool:
        """Whether every frame counted has been written or is known to be lost."""
        accounted = self.frames_written() + self.dropped_arrays()
        return accounted >= self.frames_counted() or self.hdf.has_failed()
