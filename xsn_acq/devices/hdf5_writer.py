"""The file writer of a detector (NDFileHDF5 ``HDF1:``): one SWMR file, written as frames come."""

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignalRO

from xsn_acq.devices.checked import CheckedSignalWithRBV, FrameCounter
from xsn_acq.devices.frame_setup import FrameSetup
from xsn_acq.devices.operation import wait_until
from xsn_acq.errors import DeviceError

_CREATE_DEPTH = -10
_TIMEOUT_S = 10.0
DATASET = "/entry/data/data"


class Hdf5Writer(Device):
    """NDFileHDF5. Only the records we use."""

    callbacks = Cpt(CheckedSignalWithRBV, "EnableCallbacks", string=True, kind="omitted")
    create_directory = Cpt(CheckedSignalWithRBV, "CreateDirectory", kind="omitted")
    file_path = Cpt(CheckedSignalWithRBV, "FilePath", string=True, kind="omitted")
    file_path_exists = Cpt(EpicsSignalRO, "FilePathExists_RBV", string=True, kind="omitted")
    file_name = Cpt(CheckedSignalWithRBV, "FileName", string=True, kind="omitted")
    file_template = Cpt(CheckedSignalWithRBV, "FileTemplate", string=True, kind="omitted")
    auto_increment = Cpt(CheckedSignalWithRBV, "AutoIncrement", string=True, kind="omitted")
    auto_save = Cpt(CheckedSignalWithRBV, "AutoSave", string=True, kind="omitted")
    write_mode = Cpt(CheckedSignalWithRBV, "FileWriteMode", string=True, kind="omitted")
    num_capture = Cpt(CheckedSignalWithRBV, "NumCapture", kind="omitted")
    capture = Cpt(CheckedSignalWithRBV, "Capture", string=True, kind="omitted", auto_monitor=True)
    captured = Cpt(FrameCounter, "NumCaptured_RBV", kind="omitted")
    full_file_name = Cpt(EpicsSignalRO, "FullFileName_RBV", string=True, kind="omitted")
    lazy_open = Cpt(CheckedSignalWithRBV, "LazyOpen", string=True, kind="omitted")
    swmr_mode = Cpt(CheckedSignalWithRBV, "SWMRMode", string=True, kind="omitted")
    flush_every = Cpt(CheckedSignalWithRBV, "NumFramesFlush", kind="omitted")
    store_attributes = Cpt(CheckedSignalWithRBV, "StoreAttr", string=True, kind="omitted")
    dropped = Cpt(CheckedSignalWithRBV, "DroppedArrays", kind="omitted", auto_monitor=True)
    write_status = Cpt(EpicsSignalRO, "WriteStatus", string=True, kind="omitted", auto_monitor=True)
    write_message = Cpt(EpicsSignalRO, "WriteMessage", string=True, kind="omitted")
    queue_free = Cpt(EpicsSignalRO, "QueueFree", kind="omitted")

    def open(self, setup: FrameSetup) -> None:
        """Open a new file; blocks until it is capturing.

        Raises
        ------
        DeviceError
            The file exists, another is open, the folder cannot be made, or a setting is not taken.
        """
        if self.is_capturing():
            raise DeviceError(
                self.name, "open", "no open file", self.full_file_name.get(), hint="close it first"
            )
        if setup.path.exists():
            raise DeviceError(
                self.name, "open", f"new file {setup.path}", "exists", hint="files are never overwritten"
            )
        self._settings()
        self._folder(setup)
        self.file_name.apply(setup.filename)
        self.file_template.apply("%s%s.h5")
        self.dropped.apply(0)
        self.capture.put("Capture")
        started = self._wait(lambda: self.is_capturing() or self._error() is not None)
        if not started or not self.is_capturing():
            found = self._error() or "not capturing"
            raise DeviceError(self.name, "open", f"capturing to {setup.path}", found)
        if not self._wait(lambda: self.frames() == 0):
            raise DeviceError(self.name, "open", 0, self.frames(), "frames written")

    def close(self) -> None:
        """Close the file; blocks. The caller has waited for the frames on their way."""
        if not self.is_capturing():
            return
        self.capture.put("Done")
        if not self._wait(lambda: not self.is_capturing()):
            raise DeviceError(self.name, "close", "Done", f"Capturing after {_TIMEOUT_S} s")

    def check(self) -> None:
        """Look for frames that did not get into the file, without asking over the network.

        Raises
        ------
        DeviceError
            Arrays were dropped, writing failed, or the file was closed by somebody.
        """
        dropped = int(self.dropped.get())
        if dropped:
            raise DeviceError(
                self.name, "write", 0, dropped, "dropped arrays", "the disk or the queue is too slow"
            )
        error = self._error()
        if error is not None:
            raise DeviceError(
                self.name, "write", "Write OK", error, hint="is the disk full or the folder read-only?"
            )
        if self.capture.get() != "Capturing" and not self.is_capturing():
            raise DeviceError(
                self.name, "write", "Capturing", "Done", hint="the file was closed from elsewhere"
            )

    def has_failed(self) -> bool:
        """Whether writing has failed or the file is no longer open, asked now."""
        return not self.is_capturing() or bool(self.write_status.get(use_monitor=False) != "Write OK")

    def is_capturing(self) -> bool:
        """Whether a file is open, asked now."""
        return bool(self.capture.get(use_monitor=False) == "Capturing")

    def frames(self) -> int:
        """Frames written into the present file, asked now."""
        return int(self.captured.get())

    def _settings(self) -> None:
        for signal, value in (
            (self.callbacks, "Enable"),
            (self.auto_increment, "No"),
            (self.auto_save, "No"),
            (self.write_mode, "Stream"),
            (self.num_capture, 0),
            (self.lazy_open, "Yes"),
            (self.swmr_mode, "On"),
            (self.flush_every, 1),
            (self.store_attributes, "Yes"),
        ):
            signal.apply(value)

    def _folder(self, setup: FrameSetup) -> None:
        """Set the folder; CreateDirectory comes first, because writing FilePath makes and looks for it."""
        self.create_directory.apply(_CREATE_DEPTH)
        folder = f"{setup.folder}/"
        self.file_path.send(folder)
        exists = self.file_path_exists.get(use_monitor=False)
        if exists != "Yes" or not self._wait(lambda: self.file_path.get().rstrip("/") == str(setup.folder)):
            found = f"{self.file_path.get()} exists: {exists}"
            raise DeviceError(self.name, "folder", folder, found, hint="may the IOC write there?")

    def _error(self) -> str | None:
        """What the writer complains of; a complaint is asked about again: it may be of the file before."""
        if self.write_status.get() == "Write OK":
            return None
        status = self.write_status.get(use_monitor=False)
        return None if status == "Write OK" else f"{status}: {self.write_message.get()}"

    def _wait(self, condition: object) -> bool:
        return wait_until(
            condition,  # type: ignore[arg-type]
            (self.capture, self.write_status, self.file_path),
            device=self.name,
            operation="file",
            timeout_s=_TIMEOUT_S,
        )
