"""Beam: noticed when it is lost, also between two looks; waited for; and which frames surely had it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bluesky import plan_stubs as bps

from xsn_acq.plans.instrument import FullFieldInstrument
from xsn_acq.plans.steps import Plan, asked

logger = logging.getLogger(__name__)

LOOK_S = 0.2
"""Between two looks at a beam that is waited for, seconds."""


class Beam:
    """The beam of an instrument: ring current, front end, what the monochromator says.

    Bluesky's suspenders are not used: they overlook a loss during a pause, and one while the plan computes.
    """

    def __init__(self, devices: FullFieldInstrument) -> None:
        self._devices = devices
        self._ring = devices.file.ring
        self._losses = self._settled = 0
        self._counting = threading.Lock()

    @property
    def losses(self) -> int:
        """How often a reading said that there is no beam; it grows within ``ring.late_s`` of a loss."""
        return self._losses

    def look(self) -> None:
        """Ask now, whatever the monitors tell, and count what is wrong as a loss."""
        if self.faults():
            self._lose()

    def confirm(self, losses: int, *, since_s: float) -> Plan:
        """Wait until any loss up to ``since_s`` has been told; whether there was none since ``losses``.

        Parameters
        ----------
        losses : int
            See `losses`.
        since_s : float
            A time of the monotonic clock, seconds.
        """
        yield from bps.sleep(max(0.0, since_s + self._ring.late_s - time.monotonic()))
        self.look()
        return self._losses == losses

    def lost_since(self, losses: int) -> Plan:
        """Wait until a loss up to now would have been told; whether the beam was lost since ``losses``."""
        yield from bps.sleep(self._ring.late_s)
        return self._losses != losses or bool(self.source_faults())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within this context every reading of ring and front end is looked at."""
        watched = (
            (self._devices.ring.current, self._look_at_current),
            (self._devices.front_end_shutter.status, self._look_at_front_end),
        )
        numbers = [(signal, signal.subscribe(look, run=False)) for signal, look in watched]
        try:
            yield
        finally:
            for signal, number in numbers:
                signal.unsubscribe(number)

    def faults(self) -> list[str]:
        """Reasons why there is no steady beam at the sample, asked now; one line each."""
        return self.source_faults() + self._devices.mono.beam_faults()

    def source_faults(self) -> list[str]:
        """Reasons why no beam comes to the monochromator, asked now; one line each."""
        devices, least = self._devices, self._ring.min_current_ma
        current, front_end = (
            asked(devices.ring.current),
            devices.front_end_shutter.state(),
        )
        found = []
        if not current >= least:
            found.append(f"ring: wanted {least:g} mA or more, found {current:.1f} mA; wait for beam")
        if front_end != "open":
            found.append(f"front_end_shutter: wanted open, found {front_end}; open it")
        return found

    def wait_for_source(self) -> Plan:
        """Wait until beam comes to the monochromator; its feedback can lock then."""
        told = False
        while faults := self.source_faults():
            if not told:
                logger.warning("waiting for beam: %s", "; ".join(faults))
                told = True
            yield from bps.sleep(LOOK_S)

    def wait(self, resting: Callable[[], Plan] = bps.null) -> Plan:
        """Wait until there is beam and, after a loss, the optics have settled; the `losses` by then.

        Parameters
        ----------
        resting : callable
            () -> plan that is done once before anything is waited for: nothing is exposed meanwhile.
        """
        counted, good_since = self._settled, 0.0
        told = rested = False
        while True:
            faults, losses = self.faults(), self._losses
            if faults and not told:
                logger.warning("waiting for beam: %s", "; ".join(faults))
                told = True
            if faults or losses != counted:
                self._settled, counted, good_since = -1, losses, time.monotonic()
            elif losses == self._settled or time.monotonic() - good_since >= self._ring.settle_s:
                self._settled = losses
                return losses
            if not rested:
                yield from resting()
                rested = True
            yield from bps.sleep(LOOK_S)

    def _look_at_current(self, *, value: float, **_: Any) -> None:
        if not value >= self._ring.min_current_ma:
            self._lose()

    def _look_at_front_end(self, *, value: object, **_: Any) -> None:
        if str(value) != self._devices.front_end_shutter.words["open"][1]:
            self._lose()

    def _lose(self) -> None:
        with self._counting:
            self._losses += 1


class Confirmed:
    """How many frames surely had what they need: those there already ``late_s`` before all was still well.

    Parameters
    ----------
    late_s : float
        A loss is told within so many seconds.

    Examples
    --------
    >>> confirmed = Confirmed(late_s=1.0)
    >>> confirmed.look(10, 0.0), confirmed.look(15, 0.7), confirmed.look(20, 1.2), confirmed.look(20, 2.0)
    (0, 0, 10, 15)
    """

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s
        self._looks: deque[tuple[float, int]] = deque()
        self._frames = 0

    def look(self, frames: int, now_s: float) -> int:
        """All is well at ``now_s`` and there are so many frames: how many of them are beyond doubt."""
        self._looks.append((now_s, frames))
        while self._looks and self._looks[0][0] <= now_s - self._late_s:
            self._frames = self._looks.popleft()[1]
        return self._frames
