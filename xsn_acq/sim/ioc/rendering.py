"""Turns exposures into frames, in a thread of its own, so that Channel Access stays quick."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

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


class Spectrometer(Protocol):
    """A fluorescence detector beside a sample."""

    def spectrum(
        self, state: Any, number: int, times: float
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """Counts (1, bins) and scalers of an exposure; its number seeds the chance.

        So many ``times`` as many photons as the state says arrive.
        """


@runtime_checkable
class Preparing(Protocol):
    """A microscope whose first image takes longer than others."""

    def prepare(self, state: Any) -> None:
        """Make what all images have in common, as things are in a state of the beamline."""


class Renderer:
    """The microscope with one sample on its stage.

    Parameters
    ----------
    state : callable
        Where everything was, from begin to end of an exposure, simulated epoch seconds.
    imager : callable
        Makes the microscope with the sample of a name, an `Imager` and, where there is a fluorescence
        detector, a `Spectrometer`; raises ValueError for an unknown one.
    sample : str
        Name of the phantom.
    """

    def __init__(
        self, state: Callable[[float, float], Any], imager: Callable[[str], Any], sample: str
    ) -> None:
        self._state, self._imager = state, imager
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="render")
        self._rendered = self._counted = 0
        self.change_sample(sample)

    def change_sample(self, name: str) -> None:
        """Put another phantom on the stage.

        Raises
        ------
        ValueError
            There is no phantom of that name.
        """
        self._microscope = self._imager(name)

    def prepare(self, now_s: float) -> None:
        """Begin with what the first frame and spectrum would come late for."""
        if isinstance(self._microscope, Preparing):
            self._pool.submit(self._microscope.prepare, self._state(now_s, now_s))

    async def image(self, exposure: Exposure[CameraSettings]) -> NDArray[np.unsignedinteger]:
        """Frame that this exposure gave."""
        state = self._state(exposure.begin_s, exposure.end_s)
        number, self._rendered = self._rendered, self._rendered + 1
        return await self._work(self._microscope.frame, state, exposure.settings, number)

    async def spectrum(
        self, begin_s: float, end_s: float, times: float = 1.0
    ) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """Raw counts (1, bins) and scalers of an exposure, of a microscope with a fluorescence detector.

        So many ``times`` as many photons as usual arrive at it.
        """
        state = self._state(begin_s, end_s)
        number, self._counted = self._counted, self._counted + 1
        return await self._work(self._microscope.spectrum, state, number, times)

    async def _work(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)
