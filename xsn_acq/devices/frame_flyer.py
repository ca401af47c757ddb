"""A detector of areaDetector with its file writer, as a bluesky flyer."""

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from ophyd import Component as Cpt
from ophyd import Device
from ophyd.status import StatusBase

from xsn_acq.devices.frame_driver import FrameDriver
from xsn_acq.devices.frame_file import FrameDocuments, FrameNumbers
from xsn_acq.devices.frame_setup import FrameSetup, Rearm
from xsn_acq.devices.hdf5_writer import Hdf5Writer
from xsn_acq.devices.operation import LOOK_AGAIN_S, Completion, Turns, in_background, wait_until
from xsn_acq.errors import DeviceError

logger = logging.getLogger(__name__)

_START_TIMEOUT_S = 10.0
_DRAIN_S = 60.0
"""After a stop frames that were read out before may still come so long."""
_LOOK_FOR_LAST_S = 0.01
WRITE_TIMEOUT_S = 10.0
"""How long a frame that is counted may wait for the disk, seconds: that it comes is sure, when is not."""
"""When the detector has ended, its last frames are in the file soon, and no monitor tells of them."""


OR_ANOTHER_SESSION = "unless another session is at work, run xsn-acq safe"
"""The hint fits both ways it comes about: a session was killed, or another one is measuring."""


class _Progress(NamedTuple):
    """How far a detector and its file are."""

    acquiring: bool
    counted: int
    written: int


class FrameFlyer(Device):
    """A driver and NDFileHDF5, one file for each setup.

    ``prepare(setup)`` opens the file, ``kickoff()`` starts, ``complete()`` ends when every frame is counted
    and written; ``prepare(Rearm(n))``, ``kickoff()``, ``complete()`` add n frames to the same file;
    ``close_file()``. Staging is not required; ``unstage()`` stops and closes. All but `complete` are done one
    after the other, in the order in which they were asked for.

    A subclass has the driver, and knows what it must be told and what its frames are. Frames are counted by
    the driver and by the writer (NumCaptured): no other number shows that one was lost.
    """

    hdf = Cpt(Hdf5Writer, "HDF1:")

    number_names: Sequence[str]
    """Numbers of each frame that are read from the file, see `FrameNumbers`."""

    def __init__(self, prefix: str, *, name: str, **kwargs: Any) -> None:
        super().__init__(prefix, name=name, **kwargs)
        self._setup: FrameSetup | None = None
        self._numbers: FrameNumbers | None = None
        self._documents: Sequence[FrameDocuments] = ()
        self._counted_before = 0
        self._target = 0
        self._index = 0
        self._running = False
        self._stop_asked = False
        self._turns = Turns()

    @property
    @abstractmethod
    def driver(self) -> FrameDriver:
        """What acquires."""

    @abstractmethod
    def _apply(self, setup: Any) -> None:
        """Make the driver ready for a setup; blocks."""

    def _apply_again(self, value: Rearm) -> None:
        """Change what more frames into the same file ask for; blocks."""

    @abstractmethod
    def _describe_file(self, setup: Any) -> Sequence[FrameDocuments]:
        """Make the documents of the file just opened."""

    @abstractmethod
    def _check(self, operation: str, frames: int) -> None:
        """Raise `DeviceError` when the driver, or the ``frames`` there are, are not as was asked."""

    def prepare(self, value: Any) -> StatusBase:
        """Apply a setup and open its file, or make ready for more frames into the open one (`Rearm`).

        The status fails with `DeviceError` when a setting does not read back or the file exists.
        """
        if isinstance(value, Rearm):
            return self._next("rearm", lambda: self._rearm(value))
        return self._next("prepare", lambda: self._prepare(value))

    def rearm(self, frames: int) -> StatusBase:
        """Make ready for ``frames`` more into the open file; then `kickoff` and `complete` again."""
        return self.prepare(Rearm(frames))

    def kickoff(self) -> StatusBase:
        """Start acquiring; the status ends when the detector does."""
        return self._next("kickoff", self._kickoff)

    def complete(self) -> StatusBase:
        """Wait for every frame, counted and written.

        The status fails with `DeviceError` naming frames expected and counted when no frame comes for
        ``frame_timeout_s``, none that was counted is written for `WRITE_TIMEOUT_S`, somebody else stops the
        detector, or the writer drops an array or fails. After our own `stop_acquiring` it ends well with the
        frames there are.
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

    def left_behind(self) -> list[str]:
        """List what a session that was killed left at work here, asked now; one line each."""
        found = []
        if self.driver.is_acquiring():
            found.append(f"{self.name}: wanted idle, found acquiring; {OR_ANOTHER_SESSION}")
        if self.hdf.is_capturing():
            path = self.hdf.full_file_name.get() or "no frame yet"
            found.append(f"{self.name}: wanted no open file, found one ({path}); {OR_ANOTHER_SESSION}")
        return found

    def frames_counted(self) -> int:
        """Frames the detector has counted since the file was opened."""
        now = self.driver.frames_counted() if self._running else 0
        return self._counted_before + now

    def frames_written(self) -> int:
        """Frames in the file."""
        return self.hdf.frames()

    def dropped_arrays(self) -> int:
        """Arrays the writer has dropped since the file was opened."""
        return int(self.hdf.dropped.get(use_monitor=False))

    def frame_numbers(self) -> NDArray[np.float64]:
        """Read `number_names` of each frame in the file, (frames, names)."""
        return np.empty((0, len(self.number_names))) if self._numbers is None else self._numbers.read()

    def get_index(self) -> int:
        """Frames that may be announced; the last number known when the writer no longer answers."""
        if self.hdf.captured.connected:
            self._index = self.hdf.frames()
        return self._index

    def collect_asset_docs(self, index: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Announce the frames up to ``index``: stream resources once, then a stream datum for what is new."""
        if self._documents:
            known = self.get_index() if index is None else index
            for documents in self._documents:
                yield from documents.up_to(known)

    def _next(self, operation: str, work: Callable[[], None]) -> StatusBase:
        return self._turns.start(self, operation, work)

    def _prepared(self, operation: str) -> FrameSetup:
        if self._setup is None:
            raise DeviceError(self.name, operation, "an open file", "none", hint="prepare it first")
        return self._setup

    def _prepare(self, setup: FrameSetup) -> None:
        self._setup, self._running = None, False
        self._apply(setup)
        self.hdf.open(setup)
        self._numbers = FrameNumbers(setup.path, self.number_names)
        self._documents = self._describe_file(setup)
        self._counted_before, self._target, self._index = 0, setup.frames, 0
        self._setup = setup

    def _rearm(self, value: Rearm) -> None:
        self._prepared("rearm")
        self.driver.require_idle("rearm")
        self._apply_again(value)
        self._counted_before, self._running = self.frames_counted(), False
        self.driver.order(value.frames)
        self._target = self._counted_before + value.frames

    def _kickoff(self) -> None:
        self._prepared("kickoff")
        self._check("kickoff", 0)
        self._stop_asked = False
        driver, ended = self.driver, Completion()
        driver.acquire.put("Acquire", use_complete=True, callback=ended)
        started = wait_until(
            lambda: ended.done or driver.is_acquiring(),
            (driver.acquire, driver.state),
            device=self.name,
            operation="kickoff",
            timeout_s=_START_TIMEOUT_S,
            woken=ended.woken,
        )
        state = driver.state.get(use_monitor=False)
        if not started or state in ("Error", "Disconnected"):
            raise DeviceError(self.name, "kickoff", "acquiring", f"{state}: {driver.message.get()}")
        self._running = True

    def _complete(self) -> None:
        setup = self._prepared("complete")
        now = self._progress()
        while not self._finished(now):
            timeout_s = max(setup.frame_timeout_s, WRITE_TIMEOUT_S if now.counted > now.written else 0.0)
            newer = self._newer(now, timeout_s)
            if newer is None:
                hint = f"{now.written} written; no new frame for {timeout_s} s"
                raise DeviceError(self.name, "complete", self._target, now.counted, "frames", hint)
            now = newer
        self._check("complete", now.counted)

    def _progress(self) -> _Progress:
        """How far it is, asked now; what is asked later can only be further."""
        return _Progress(self.driver.is_acquiring(), self.frames_counted(), self.frames_written())

    def _newer(self, before: _Progress, timeout_s: float) -> _Progress | None:
        """Wait until it is further; None if it is not in time."""
        latest = before

        def is_further() -> bool:
            nonlocal latest
            latest = self._progress()
            return self._finished(latest) or latest != before

        further = wait_until(
            is_further,
            (self.driver.acquire, self.hdf.dropped, self.hdf.capture, self.hdf.write_status),
            device=self.name,
            operation="complete",
            timeout_s=timeout_s,
            look_again_s=LOOK_AGAIN_S if before.acquiring else _LOOK_FOR_LAST_S,
        )
        return latest if further else None

    def _finished(self, now: _Progress) -> bool:
        """Whether all is counted and written; raises when that can no longer come."""
        self.hdf.check()
        if not now.acquiring and now.counted < self._target and not self._stop_asked:
            hint = "it stopped by itself or from elsewhere"
            raise DeviceError(self.name, "complete", self._target, now.counted, "frames", hint)
        return now.written >= now.counted and (now.counted >= self._target or not now.acquiring)

    def _stop(self) -> None:
        self._stop_asked = True
        driver = self.driver
        if not driver.is_acquiring():
            return
        driver.acquire.put("Done")
        counted, end_s = driver.frames_counted(), time.monotonic() + _DRAIN_S
        while not self._idle_or_more(counted):
            now = driver.frames_counted()
            if now == counted or time.monotonic() > end_s:
                raise DeviceError(self.name, "stop", "idle", f"acquiring after {_START_TIMEOUT_S} s")
            counted = now

    def _idle_or_more(self, counted: int) -> bool:
        """Wait until it is idle; False when one more than so many frames came first, or none in time."""
        driver = self.driver
        wait_until(
            lambda: not driver.is_acquiring() or driver.frames_counted() > counted,
            (driver.acquire, driver.images_counter),
            device=self.name,
            operation="stop",
            timeout_s=_START_TIMEOUT_S,
        )
        return not driver.is_acquiring()

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
                if self._numbers is not None:
                    self._numbers.close()
            finally:
                self.hdf.close()
        if written < counted:
            raise DeviceError(self.name, "close", counted, written, "frames written", "the file lacks frames")

    def _nothing_on_its_way(self) -> bool:
        """Whether every frame counted has been written or is known to be lost."""
        accounted = self.frames_written() + self.dropped_arrays()
        return accounted >= self.frames_counted() or self.hdf.has_failed()
