"""Undulator in the APS style: set point, start, busy, readback; the PV suffixes come from the site."""

import logging
import math
import threading
from collections.abc import Mapping
from typing import Any

from ophyd import Device, EpicsSignalRO
from ophyd import FormattedComponent as FCpt
from ophyd.status import StatusBase

from xsn_acq.devices.checked import CheckedSignal
from xsn_acq.devices.operation import Completion, Progress, in_background, wait_steady, wait_until
from xsn_acq.errors import DeviceError, LimitError

logger = logging.getLogger(__name__)

_MARGIN_S = 10.0
_SLACK = 2.0
_ARRIVAL_S = 1.0
_SETTLE_TIMEOUT_S = 10.0


class Undulator(Device):
    """An insertion device; ``set(gap_mm)`` ends when it is no longer busy and the gap reads back.

    Parameters
    ----------
    prefix : str
        In front of every suffix.
    suffixes : mapping
        Our names (gap_set, gap, energy, start, stop, busy, device_busy, deadband, harmonic) to this site's.
    low_mm, high_mm, speed_mm_s, tolerance_mm : float
        Limits of the gap, its speed, and how near it must come.
    settle_s, stall_s : float
        How long it must stay there before a move has ended, and how long it may stand still while it is busy,
        seconds.
    """

    gap = FCpt(EpicsSignalRO, "{prefix}{suffixes[gap]}", kind="hinted", auto_monitor=True)
    gap_set = FCpt(CheckedSignal, "{prefix}{suffixes[gap_set]}", kind="normal")
    energy_kev = FCpt(EpicsSignalRO, "{prefix}{suffixes[energy]}", kind="normal")
    start_now = FCpt(CheckedSignal, "{prefix}{suffixes[start]}", kind="omitted")
    stop_now = FCpt(CheckedSignal, "{prefix}{suffixes[stop]}", kind="omitted")
    busy = FCpt(EpicsSignalRO, "{prefix}{suffixes[busy]}", kind="omitted", auto_monitor=True)
    device_busy = FCpt(EpicsSignalRO, "{prefix}{suffixes[device_busy]}", kind="omitted", auto_monitor=True)
    deadband = FCpt(EpicsSignalRO, "{prefix}{suffixes[deadband]}", kind="config")
    harmonic = FCpt(EpicsSignalRO, "{prefix}{suffixes[harmonic]}", kind="config")

    def __init__(
        self,
        prefix: str,
        *,
        suffixes: Mapping[str, str],
        low_mm: float,
        high_mm: float,
        speed_mm_s: float,
        tolerance_mm: float,
        settle_s: float = 0.0,
        stall_s: float = 30.0,
        name: str,
        **kwargs: Any,
    ) -> None:
        self.suffixes = dict(suffixes)
        self.low_mm, self.high_mm = low_mm, high_mm
        self.speed_mm_s, self.tolerance_mm = speed_mm_s, tolerance_mm
        self.settle_s, self.stall_s = settle_s, stall_s
        self._stop_accepted = False
        self._sending = threading.Lock()
        self._stops = 0
        super().__init__(prefix, name=name, **kwargs)

    def set(self, gap_mm: float, *, timeout: float | None = None) -> StatusBase:
        """Move the gap.

        Raises
        ------
        LimitError
            Outside the limits, or with a dead band that is not zero: small steps would then not be made.
        """
        faults = self.gap_faults(gap_mm)
        if faults:
            raise LimitError(f"{self.name} to {gap_mm} mm", faults)
        self._stop_accepted, stops = False, self._stops
        return in_background(self, "set gap", lambda: self._travel(float(gap_mm), timeout, stops))

    def gap_faults(self, gap_mm: float) -> list[str]:
        """One line for each reason not to move to ``gap_mm``."""
        faults = []
        if not (math.isfinite(gap_mm) and self.low_mm <= gap_mm <= self.high_mm):
            faults.append(f"{self.name}: gap {gap_mm} mm is outside {self.low_mm} to {self.high_mm} mm")
        deadband = float(self.deadband.get(use_monitor=False))
        if deadband != 0.0:
            faults.append(
                f"{self.name}: dead band is {deadband} mm and must be 0; small gap steps would not be made"
            )
        return faults

    def stop(self, *, success: bool = False) -> None:
        """Stop; a move asked for before then fails, unless ``success``, also when it had not begun."""
        with self._sending:
            self._stop_accepted = success
            self._stops += 1
        if not self.stop_now.connected:
            logger.warning("%s: cannot be stopped, its record does not answer", self.name)
            return
        self.stop_now.put(1, wait=False)

    def stand(self) -> StatusBase:
        """Stop; the status ends when it stands. The move it was making ends without a complaint."""
        self.stop(success=True)
        return in_background(self, "stop", self._stand)

    def _stand(self) -> None:
        stands = wait_until(
            lambda: not self._busy(),
            (self.busy, self.device_busy),
            device=self.name,
            operation="stop",
            timeout_s=_MARGIN_S,
        )
        if not stands:
            raise DeviceError(self.name, "stop", "at rest", f"busy after {_MARGIN_S} s")

    def _travel(self, target: float, timeout_s: float | None, stops: int) -> None:
        begin = self._gap_now()
        if not math.isfinite(begin):
            raise DeviceError(self.name, "set gap", target, begin, "mm", "the gap readback is not a number")
        limit = _SLACK * abs(target - begin) / self.speed_mm_s + _MARGIN_S if timeout_s is None else timeout_s
        self.gap_set.apply(target)
        answer = Completion()
        with self._sending:
            if self._stops == stops:
                self.start_now.put(1, use_complete=True, callback=answer)
            else:
                answer.done = True
        progress = Progress(self.stall_s)
        ended = wait_until(
            lambda: self._done(answer) or progress.stalled(self._gap_now()),
            (self.busy, self.device_busy),
            device=self.name,
            operation="set gap",
            timeout_s=limit,
            woken=answer.woken,
        )
        done = self._done(answer)
        if not done:
            self.stop(success=self._stop_accepted)
        if self._stop_accepted:
            return
        if done:
            self._require_there(target)
            return
        hint = f"still busy after {limit:.1f} s; stopped"
        if ended:
            hint = f"busy, but the gap does not move for {self.stall_s:g} s; stopped: are the brakes on?"
        raise DeviceError(self.name, "set gap", target, self._gap_now(), "mm", hint)

    def _require_there(self, target: float) -> None:
        """Fail unless the gap is at its target and stays there."""
        arrived = self._arrives(target)
        if arrived and (self.settle_s == 0 or self._stays(target)):
            return
        hint = f"did not stay there for {self.settle_s:g} s" if arrived else "stopped before it arrived"
        raise DeviceError(self.name, "set gap", target, self._gap_now(), "mm", hint)

    def _gap_now(self) -> float:
        return float(self.gap.get(use_monitor=False))

    def _done(self, answer: Completion) -> bool:
        return answer.done and not self._busy()

    def _busy(self) -> bool:
        return any(signal.get(use_monitor=False) for signal in (self.busy, self.device_busy))

    def _arrives(self, target: float) -> bool:
        """Look until the gap reads back and nothing is busy: a start may be answered before busy shows."""
        return wait_until(
            lambda: (
                not self.busy.get(use_monitor=False) and abs(self._gap_now() - target) <= self.tolerance_mm
            ),
            (self.gap, self.busy),
            device=self.name,
            operation="set gap",
            timeout_s=_ARRIVAL_S,
        )

    def _stays(self, target: float) -> bool:
        return wait_steady(
            lambda: self._stop_accepted or abs(self._gap_now() - target) <= self.tolerance_mm,
            (self.gap,),
            steady_s=self.settle_s,
            device=self.name,
            operation="settle",
            timeout_s=self.settle_s + _SETTLE_TIMEOUT_S,
        )
