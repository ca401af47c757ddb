"""NDFileHDF5 plugin: writes a detector's frames in stream mode."""

import asyncio
import errno
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from caproto import SkipWrite

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.faults import DiskFull, Faults, WriterOverrun
from xsn_acq.sim.ioc.frame import Frame
from xsn_acq.sim.ioc.swmr_file import SwmrFile
from xsn_acq.sim.ioc.table import Records

QUEUE_SIZE = 200
UNPRIMED = "capture needs a first array to know its size: acquire one, or set LazyOpen"


class Hdf5Plugin(Records):
    """File writer of a detector.

    Parameters
    ----------
    prefix : str
        Ending in ``HDF1:``.
    clock : SimClock
    faults : Faults
    source : str
        Port that its arrays come from.
    """

    def __init__(self, prefix: str, clock: SimClock, faults: Faults, source: str = "KTX") -> None:
        super().__init__(prefix, clock.now, "ndfilehdf5")
        self._faults = faults
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(QUEUE_SIZE)
        self._file: SwmrFile | None = None
        self._primed: Frame | None = None
        self._arrived = 0
        self._full_after: int | None = None
        self._captured = asyncio.Event()
        self._captured.set()
        self._preset(source)
        self.on_put("FilePath", self._put_path)
        self.on_put("Capture", self._put_capture)

    def _preset(self, source: str) -> None:
        texts = {
            "PortName_RBV": "HDF1",
            "PluginType_RBV": "NDFileHDF5 ver1.14.3",
            "ADCoreVersion_RBV": "3.14.0",
        }
        numbers: dict[str, Any] = {"QueueSize": QUEUE_SIZE, "QueueFree": QUEUE_SIZE, "MaxThreads_RBV": 1}
        states = {"SWMRSupported_RBV": "Supported", "FileFormat_RBV": "HDF5"}
        ports = {"NDArrayPort": source, "FileTemplate": "%s%s_%6.6d.h5", "Compression": "None"}
        for suffix, value in {**texts, **numbers, **states, **ports}.items():
            self[suffix].preset(value)
        for suffix in self:
            if f"{suffix}_RBV" in self:
                self[f"{suffix}_RBV"].preset(self.value(suffix))

    @property
    def capturing(self) -> bool:
        """Whether frames are being written."""
        return not self._captured.is_set()

    async def push(self, frame: Frame) -> None:
        """Take a frame from the detector; waits when the queue is full, so that a slow disk loses nothing."""
        if self.value("EnableCallbacks") != "Enable":
            return
        self._primed = frame
        self._arrived += 1
        rows, columns = frame.image.shape
        await self.set("ArrayCounter", self.value("ArrayCounter") + 1)
        sizes = {"ArraySize0_RBV": columns, "ArraySize1_RBV": rows, "ArraySizeX_RBV": columns}
        sizes |= {"ArraySizeY_RBV": rows, "ArraySize_RBV": frame.image.nbytes, "NDimensions_RBV": 2}
        for suffix, value in (sizes | {"UniqueId_RBV": frame.unique_id}).items():
            if self.value(suffix) != value:
                await self.post(suffix, value)
        if not self.capturing:
            return
        if any(self._arrived % fault.every == 0 for fault in self._faults.find(WriterOverrun)):
            await self.set("DroppedArrays", self.value("DroppedArrays_RBV") + 1)
            return
        await self._queue.put(frame)
        await self.post("QueueFree", QUEUE_SIZE - self._queue.qsize())

    async def drained(self) -> None:
        """Wait until every frame taken is in the file."""
        await self._queue.join()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            frames = [await self._queue.get()]
            while not self._queue.empty():
                frames.append(self._queue.get_nowait())
            try:
                if self.capturing:
                    await self._write(self._limited(frames))
            except OSError as error:
                await self._fail(f"Error writing {self.value('FullFileName_RBV')}: {error}")
            finally:
                for _ in frames:
                    self._queue.task_done()
            await self.post("QueueFree", QUEUE_SIZE - self._queue.qsize())

    def close(self) -> None:
        """Close the file and end the thread."""
        self._pool.submit(self._close_file).result()
        self._pool.shutdown()

    def _limited(self, frames: list[Frame]) -> list[Frame]:
        wanted = self.value("NumCapture")
        return frames[: wanted - self.value("NumCaptured_RBV")] if wanted > 0 else frames

    async def _write(self, frames: list[Frame]) -> None:
        if self._file is None:
            await self._open(frames[0])
        assert self._file is not None
        loop, fitting, count = asyncio.get_running_loop(), self._fitting(frames), 0
        if fitting:
            count = await loop.run_in_executor(self._pool, self._file.append, fitting)
            await self.post("NumCaptured_RBV", count)
        if len(fitting) < len(frames):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if 0 < self.value("NumCapture") <= count:
            await self._end_capture()

    def _fitting(self, frames: list[Frame]) -> list[Frame]:
        """As many frames as the disk still takes."""
        for fault in self._faults.find(DiskFull):
            left = fault.after if self._full_after is None else self._full_after
            frames = frames[:left]
            self._full_after = left - len(frames)
        return frames

    async def _open(self, first: Frame) -> None:
        path = self._full_name()
        level = {"None": None, "zlib": self.value("ZLevel")}.get(self.value("Compression"), -1)
        if level == -1:
            raise OSError(errno.ENOTSUP, f"compression {self.value('Compression')} is not there")
        swmr = self.value("SWMRMode") == "On"
        loop = asyncio.get_running_loop()
        self._file = await loop.run_in_executor(
            self._pool, lambda: SwmrFile(path, first, swmr=swmr, zlib_level=level)
        )
        await self.post("FullFileName_RBV", str(path))
        await self.post("SWMRActive_RBV", int(swmr))
        if self.value("AutoIncrement") == "Yes":
            await self.set("FileNumber", self.value("FileNumber") + 1)

    def _full_name(self) -> Path:
        """Fill the C template with folder, name and number, as many as it asks for."""
        template = self.value("FileTemplate")
        parts = (self.value("FilePath"), self.value("FileName"), self.value("FileNumber"))
        count = len(re.findall(r"%(?!%)", template))
        return Path(template % parts[:count])

    async def _put_path(self, value: str) -> str:
        """Add the slash, make the folder when CreateDirectory allows, tell whether it exists."""
        text = value.rstrip("/") + "/"
        folder, levels = Path(text), -self.value("CreateDirectory")
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        if missing and len(missing) <= levels:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                await self.post("WriteMessage", str(error))
        await self.post("FilePathExists_RBV", int(folder.is_dir()))
        return text

    async def _put_capture(self, value: str) -> None:
        """Begin or end; a begin is answered when capturing has ended, as a busy record does."""
        if value == "Done":
            await self._end_capture()
        elif not self.capturing:
            await self._begin_capture()
            await self._captured.wait()
        raise SkipWrite

    async def _begin_capture(self) -> None:
        lazy = self.value("LazyOpen") == "Yes"
        self._full_after = None
        await self.post("NumCaptured_RBV", 0)
        await self.post("FullFileName_RBV", str(self._full_name()))
        if self.value("FileWriteMode") != "Stream":
            await self._fail("only file write mode Stream is simulated")
        elif self._primed is None and not lazy:
            await self._fail(UNPRIMED)
        else:
            self._captured.clear()
            try:
                if not lazy and self._primed is not None:
                    await self._open(self._primed)
            except OSError as error:
                await self._fail(f"Error opening file {self._full_name()}, status=3: {error}")
                return
            await self._post_status("Write OK", "")
            for suffix in ("Capture", "Capture_RBV"):
                await self.post(suffix, 1)

    async def _end_capture(self) -> None:
        """Close the file; what still waits in the queue is lost, as with the real one."""
        self._captured.set()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, self._close_file)
        await self.post("SWMRActive_RBV", 0)
        for suffix in ("Capture", "Capture_RBV"):
            await self.post(suffix, 0)

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _fail(self, message: str) -> None:
        await self._post_status("Write error", message)
        await self._end_capture()

    async def _post_status(self, status: str, message: str) -> None:
        await self.post("WriteStatus", status)
        await self.post("WriteMessage", message[:255])
