"""Turns exposures into frames, in a thread of its own, so that Channel Access stays quick."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsn_acq.config import Beamline
from xsn_acq.sim.ioc.exposures import Exposure
from xsn_acq.sim.ioc.world import World
from xsn_acq.sim.truth import Truth


@dataclass(frozen=True)
class Frame:
    """An image as the camera hands it to its plugins; ``time_s`` its stamp: the end of its readout."""

    image: NDArray[Any]
    unique_id: int
    time_s: float


class Renderer:
    """The microscope with one sample on its stage.

    Parameters
    ----------
    beamline : Beamline
    world : World
        Where everything was during an exposure.
    seed : int
        Of sample and noise.
    sample : str
        Name of the phantom.
    truth : Truth
        What the beamline file does not know.
    """

    def __init__(self, beamline: Beamline, world: World, seed: int, sample: str, truth: Truth) -> None:
        self._beamline, self._world, self._seed, self._truth = beamline, world, seed, truth
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
        from xsn_acq.sim.microscope import Microscope
        from xsn_acq.sim.phantoms import phantom

        self._microscope = Microscope(self._beamline, phantom(name, self._seed), self._truth, self._seed)

    async def image(self, exposure: Exposure) -> NDArray[np.unsignedinteger]:
        """Frame that this exposure gave."""
        state = self._world.state(exposure.begin_s, exposure.end_s)
        number, self._rendered = self._rendered, self._rendered + 1
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, self._microscope.frame, state, exposure.settings, number
        )

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)
