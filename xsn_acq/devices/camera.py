"""A camera with its file writer, as a bluesky flyer."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.devices.camera_driver import CameraDriver
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.devices.frame_file import FrameDocuments
from xsn_acq.devices.frame_flyer import FrameFlyer
from xsn_acq.devices.frame_setup import Rearm
from xsn_acq.units import EPICS_EPOCH_S


class Camera(FrameFlyer):
    """A camera of areaDetector and NDFileHDF5, one file for each `CameraSetup`; see `FrameFlyer`.

    Frames are counted by the camera (NumImagesCounter) and by the writer (NumCaptured). A subclass has the
    driver as ``cam``.
    """

    number_names = ("NDArrayEpicsTSSec", "NDArrayEpicsTSnSec")

    def __init__(self, prefix: str, *, name: str, **kwargs: Any) -> None:
        super().__init__(prefix, name=name, **kwargs)
        self._frame_shape: tuple[int, int] | None = None
        self._dtype = "<u2"

    @property
    @abstractmethod
    def driver(self) -> CameraDriver:
        """The camera driver."""

    @property
    def image_key(self) -> str:
        """Key of the frames in descriptors."""
        return f"{self.name}_image"

    def frame_times_s(self) -> NDArray[np.float64]:
        """Read the Unix time at the end of readout of each frame in the file, shape (frames,)."""
        seconds, nanoseconds = self.frame_numbers().T
        return seconds + 1e-9 * nanoseconds + EPICS_EPOCH_S

    def describe_collect(self) -> dict[str, dict[str, Any]]:
        """Describe the frames of the present file, shape [rows, columns]."""
        self._prepared("describe")
        return {
            self.image_key: {
                "source": f"PV:{self.prefix}HDF1:",
                "shape": list(self._frame_shape or ()),
                "dtype": "array",
                "dtype_numpy": self._dtype,
                "external": "STREAM:",
            }
        }

    def _apply(self, setup: CameraSetup) -> None:
        self.driver.apply(setup)

    def _apply_again(self, value: Rearm) -> None:
        if value.trigger is not None:
            self.driver.wait_for(value.trigger)

    def _describe_file(self, setup: CameraSetup) -> Sequence[FrameDocuments]:
        self._frame_shape, self._dtype = setup.frame_shape, self.driver.dtype_numpy()
        return [FrameDocuments(self.image_key, setup.path, setup.frame_shape)]

    def _check(self, operation: str, frames: int) -> None:
        if frames and self._frame_shape is not None:
            self.driver.check_frame_shape(self._frame_shape)
