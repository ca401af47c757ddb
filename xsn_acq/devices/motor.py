"""Motor records whose moves fail unless they end at the target."""

import logging
import math
import threading
import time
from typing import Any, Protocol

from ophyd import Component as Cpt
from ophyd import Device, EpicsMotor, EpicsSignal, EpicsSignalRO
from ophyd.status import MoveStatus, StatusBase

from xsn_acq.devices.checked import CheckedSignal
from xsn_acq.devices.operation import Completion, Progress, in_background, wait_steady, wait_until
from xsn_acq.errors import DeviceError, LimitError

logger = logging.getLogger(__name__)

_MARGIN_S = 10.0
_SLACK = 2.0
_STOP_TIMEOUT_S = 10.0
_SETTLE_TIMEOUT_S = 10.0


class AxisLike(Protocol):
    """What a motor must be told; an axis of the beamline file has it."""

    @property
    def pv(self) -> str:
        """Name of the motor record."""

    @property
    def unit(self) -> str:
        """Unit the record must have in EGU."""

    @property
    def low(self) -> float:
        """Lowest position allowed, in ``unit``."""

    @property
    def high(self) -> float:
        """Highest position allowed, in ``unit``."""

    @property
    def tolerance(self) -> float:
        """How far from the target a move may end, in ``unit``."""

    @property
    def settle_s(self) -> float:
        """How long the readback must stay within the tolerance before a move has ended, seconds."""

    @property
    def stall_s(self) -> float:
        """How long the readback may stay the same while the record says that it moves, seconds."""


class Motor(EpicsMotor):
    """A motor record: limits are checked before a move, the readback after it.

    Parameters
    ----------
    prefix : str
        The record.
    axis : AxisLike
        Unit, limits and tolerance.
    name : str
        Name of the device.

    Notes
    -----
    A move ends in `DeviceError` when it stops anywhere but within ``tolerance`` of the target (stopped from a
    panel, a limit switch) or does not stay there, when the record dies, when the readback stands still for
    ``stall_s`` though the record says that it moves, and after twice the time that its speed asks for.
    """

    velocity = Cpt(CheckedSignal, ".VELO", kind="config", auto_monitor=True)
    max_velocity = Cpt(EpicsSignalRO, ".VMAX", kind="omitted")
    mode = Cpt(EpicsSignal, ".SPMG", kind="omitted", string=True, auto_monitor=True)
    offset_freeze_switch = None
    home_forward = None
    home_reverse = None
    direction_of_travel = None

    def __init__(self, prefix: str, *, axis: AxisLike, name: str, **kwargs: Any) -> None:
        self.axis = axis
        self._stop_accepted = False
        self._sending = threading.Lock()
        self._stops = 0
        self._moving_seen = False
        super().__init__(prefix, name=name, **kwargs)

    def check_value(self, pos: float) -> None:
        """Refuse a target outside the limits of the beamline file or of the record.

        Raises
        ------
        LimitError
            With every limit that is passed.
        """
        faults = self.limit_faults(pos)
        if faults:
            raise LimitError(f"{self.name} to {pos} {self.axis.unit}", faults)

    def limit_faults(self, *places: float) -> list[str]:
        """One line for each limit that one of ``places`` passes; empty when it may go there."""
        unit, own = self.axis.unit, (self.axis.low, self.axis.high)
        low, high = (float(s.get(use_monitor=False)) for s in (self.low_limit_travel, self.high_limit_travel))
        soft = f"the record's soft limits {low:g} to {high:g} {unit}"
        limits = [(own, f"{own[0]:g} to {own[1]:g} {unit} of the beamline file")]
        limits += [((low, high), soft)] if low < high else []
        faults = []
        for place in places:
            if not math.isfinite(place):
                faults.append(f"{self.name}: target {place} {unit} is not a number")
                continue
            faults += [
                f"{self.name}: {place:.7g} {unit} is outside {which}"
                for (lowest, highest), which in limits
                if not lowest <= place <= highest
            ]
        return faults

    def move(
        self, position: float, wait: bool = True, timeout: float | None = None, moved_cb: Any = None
    ) -> StatusBase:
        """Move to ``position``; the status ends when the readback is there.

        Raises
        ------
        LimitError
            Before anything moves.
        """
        target = float(position)
        self.check_value(target)
        self._stop_accepted, stops = False, self._stops
        status = MoveStatus(self, target, settle_time=self._settle_time)
        if moved_cb is not None:
            status.add_callback(lambda done: moved_cb(done, obj=self))
        limit = self._timeout if timeout is None else timeout
        in_background(self, "move", lambda: self._travel(target, limit, stops), status=status)
        if wait:
            status.wait()
        return status

    def stop(self, *, success: bool = False) -> None:
        """Stop; a move asked for before then fails, unless ``success``, also when it had not begun."""
        with self._sending:
            self._stop_accepted = success
            self._stops += 1
        if not self.motor_stop.connected:
            logger.warning("%s: cannot be stopped, its record does not answer", self.name)
            return
        self.motor_stop.put(1, wait=False)

    def stand(self) -> StatusBase:
        """Stop; the status ends when it stands. The move it was making ends without a complaint."""
        self.stop(success=True)
        return in_background(self, "stop", self._stand)

    def _stand(self) -> None:
        stands = wait_until(
            lambda: not self.moving,
            (self.motor_done_move,),
            device=self.name,
            operation="stop",
            timeout_s=_STOP_TIMEOUT_S,
        )
        if not stands:
            raise DeviceError(self.name, "stop", "at rest", f"moving after {_STOP_TIMEOUT_S} s")

    def _travel(self, target: float, timeout_s: float | None, stops: int) -> None:
        self._refuse_when_held(target)
        limit = self._expected_s(target) if timeout_s is None else timeout_s
        answer, progress = Completion(), Progress(self.axis.stall_s)
        signals = (self.motor_done_move, self.user_setpoint)
        with self._sending:
            if self._stops == stops:
                self.user_setpoint.put(target, force=True, use_complete=True, callback=answer)
            else:
                answer.done = True
        ended = wait_until(
            lambda: self._done(answer) or progress.stalled(self._readback_now()),
            signals,
            device=self.name,
            operation="move",
            timeout_s=limit,
            woken=answer.woken,
        )
        if not self._done(answer):
            self.stop()
            late = f"{'does not move' if ended else 'still not done'} after"
            raise self._failed(target, f"{late} {self.axis.stall_s if ended else limit:.1f} s; stopped")
        arrived = abs(self._readback_now() - target) <= self.axis.tolerance
        if not arrived and not self._stop_accepted:
            raise self._failed(target, self._reason())
        if arrived and self.axis.settle_s > 0:
            self._settle(target)

    def _done(self, answer: Completion) -> bool:
        return answer.done and bool(self.motor_done_move.get(use_monitor=False) == 1)

    def _settle(self, target: float) -> None:
        """Wait until the readback has stayed at the target."""
        steady = wait_steady(
            lambda: self._stop_accepted or abs(self._readback_now() - target) <= self.axis.tolerance,
            (self.user_readback,),
            steady_s=self.axis.settle_s,
            device=self.name,
            operation="settle",
            timeout_s=self.axis.settle_s + _SETTLE_TIMEOUT_S,
        )
        if not steady:
            raise self._failed(target, f"did not stay there for {self.axis.settle_s:g} s")

    def _expected_s(self, target: float) -> float:
        velocity, begin = float(self.velocity.get(use_monitor=False)), self._readback_now()
        if not math.isfinite(begin):
            raise self._failed(target, "its readback is not a number; look at the encoder")
        distance = abs(target - begin)
        travel = distance / velocity if velocity > 0 else 0.0
        return _SLACK * (travel + 2 * float(self.acceleration.get())) + _MARGIN_S

    def _refuse_when_held(self, target: float) -> None:
        mode = self.mode.get(use_monitor=False)
        if mode not in ("Go", "Move"):
            raise self._failed(target, f"the record is held on {mode} (.SPMG); set it to Go")
        if self.set_use_switch.get(use_monitor=False) != 0:
            raise self._failed(
                target, "the record is on Set (.SET): a move would redefine the position; set it to Use"
            )

    def _readback_now(self) -> float:
        return float(self.user_readback.get(use_monitor=False))

    def _failed(self, target: float, hint: str) -> DeviceError:
        return DeviceError(self.name, "move", target, self._readback_now(), self.axis.unit, hint)

    def _reason(self) -> str:
        for signal, which in ((self.low_limit_switch, "low"), (self.high_limit_switch, "high")):
            if signal.get(use_monitor=False) == 1:
                return f"on the {which} limit switch"
        return "stopped short: by a panel, a following error or a new target"

    def _move_changed(self, timestamp: float | None = None, value: int | None = None, **_: Any) -> None:
        """Tell subscribers that it starts or ends; success is judged by the move itself."""
        was_moving = self._moving_seen
        self._moving_seen = value != 1
        if was_moving != self._moving_seen:
            kind = self.SUB_START if self._moving_seen else self.SUB_DONE
            self._run_subs(sub_type=kind, timestamp=timestamp or time.time(), value=value)


class AxisComponent(Cpt):
    """A motor of a `Stage`; record, unit, limits and tolerance come from ``axes`` of the stage."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Motor, **kwargs)

    def create_component(self, instance: "Stage") -> Motor:
        """Make the motor of one stage."""
        axis = instance.axes[self.attr]
        return self.cls(
            axis.pv,
            axis=axis,
            name=f"{instance.name}_{self.attr}",
            kind=self.kind,
            attr_name=self.attr,
            parent=instance,
        )


class Stage(Device):
    """Motors that belong together.

    Parameters
    ----------
    axes : mapping of str to AxisLike
        By attribute name.
    name : str
        Name of the device; its motors are called ``name_attribute``.
    """

    def __init__(self, prefix: str = "", *, axes: dict[str, Any], name: str, **kwargs: Any) -> None:
        self.axes = dict(axes)
        super().__init__(prefix, name=name, **kwargs)
