"""Beam monitor: an ion chamber in front of the experiment shutter, and the counter behind it."""

import asyncio
from collections.abc import Callable

import numpy as np
from caproto import SkipWrite

from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import Double, enum
from xsn_acq.sim.ioc.table import Records

COUNTS_PER_S = 1e6
"""When all is aligned at the nominal ring current."""

PRESET_S = 0.1
_MOMENTS = 16
"""The light of a counting period is its mean at the middles of so many equal parts."""


class BeamMonitor(Records):
    """Counts for a preset time; a put of Count is answered, with Done, when the time has passed.

    Parameters
    ----------
    prefix : str
    light : callable
        Light in front of the shutter at a time, of simulated epoch seconds; 1 when all is aligned.
    seed : int
        Of the noise, together with the number of the count.
    clock : SimClock
    """

    def __init__(self, prefix: str, light: Callable[[float], float], seed: int, clock: SimClock) -> None:
        super().__init__(prefix, clock.now)
        self._light, self._clock = light, clock
        self._seed, self._number = seed, 0
        self._stopped = asyncio.Event()
        self.add("Preset", Double(now=clock.now, value=PRESET_S, units="s", precision=3, record="ao"))
        self.add("Count", enum(("Done", "Count"), now=clock.now, record="busy"))
        self.add("Counts", Double(now=clock.now, value=0.0, precision=0, read_only=True))
        self.on_put("Preset", self._put_preset)
        self.on_put("Count", self._put_count)

    async def _put_preset(self, value: float) -> None:
        if not 0 < value < float("inf"):
            raise ValueError(f"{self.prefix}Preset must be above 0 s, found {value}")

    async def _put_count(self, value: str) -> None:
        """Count; a put of Done ends a count before its time."""
        if value == "Done":
            self._stopped.set()
            raise SkipWrite
        if self.value("Count") == "Count":
            raise RuntimeError(f"{self.prefix}Count: a count is under way; wait for Done")
        begin, preset_s = self._clock.now(), float(self.value("Preset"))
        self._stopped.clear()
        await self.post("Count", "Count")
        await self._wait(begin + preset_s)
        end = min(begin + preset_s, self._clock.now())
        await self.post("Counts", self._counts(begin, end))
        await self.post("Count", "Done")
        raise SkipWrite

    async def _wait(self, until_s: float) -> None:
        while (left := until_s - self._clock.now()) > 0:
            try:
                await asyncio.wait_for(self._stopped.wait(), self._clock.wall_delay(left))
            except TimeoutError:
                continue
            return

    def _counts(self, begin_s: float, end_s: float) -> float:
        """Return the counts of a period in the past."""
        step = (end_s - begin_s) / _MOMENTS
        moments = begin_s + (np.arange(_MOMENTS) + 0.5) * step
        light = np.mean([self._light(float(moment)) for moment in moments])
        rng = np.random.default_rng((self._seed, self._number, 5))
        self._number += 1
        return float(rng.poisson(COUNTS_PER_S * light * (end_s - begin_s)))
