"""Turns exposures into frames, in a thread of its own, so that Channel Access stays quick."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xsn_acq.sim.ioc.exposures import Exposure
from xsn_acq.sim.state import CameraSettings


class Imager(Protocol):
    """A microscope with a sample in it."""

    def frame(
        self, state: Any, camera: CameraSettings, frame_number: int
    ) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Frame of a state of the beamline; its number seeds the noise."""


class Renderer:
    """The microscope with one sample on its stage.

    Parameters
    ----------
    state : callable
        Where everything was, from begin to end of an exposure, simulated epoch seconds.
    imager : callable
        Makes the microscope with the sample of a name; raises ValueError for an unknown one.
    sample : str
        Name of the phantom.
    """

    def __init__(
        self, state: Callable[[float, float], Any], imager: Callable[[str], Imager], sample: str
    ) -> None:
        self._state, self._imager = state, imager
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="render")
        self._rendered = 0
        self.change_sample(sample)

    def change_sample(self, name: str) -> None:
        """Put another phantom on the stage.

        Raises
        ------
        ValueError
            There is no phantom of that name.
        """
        self._microscope = self._imager(name)

    async def image(self, exposure: Exposure[CameraSettings]) -> NDArray[np.unsignedinteger]:
        """Frame that this exposure gave."""
        state = self._state(exposure.begin_s, exposure.end_s)
        number, self._rendered = self._rendered, self._rendered + 1
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, self._microscope.frame, state, exposure.settings, number
        )

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)
