"""The fields of a motor record, and its arithmetic of user, dial and raw coordinates."""

from typing import Any

from xsn_acq.config import Axis
from xsn_acq.sim.ioc.channels import Double, Long, Now, Served, Short, Text, enum
from xsn_acq.sim.ioc.table import read_table

_FLOATS = frozenset({"DOUBLE", "FLOAT", "ULONG"})


class Setpoint(Double):
    """``.VAL``: shows the soft limits as control limits, and lets the record judge them."""

    async def verify_value(self, data: Any) -> Any:
        """Hand every put to the record, which answers a limit violation with LVIO, not with an error."""
        return data if self.on_put is None else await self.on_put(data)


class MotorFields:
    """All fields of one motor record by name, ``VAL`` among them.

    Parameters
    ----------
    axis : Axis
        Unit, limits, speeds and resolution.
    position : float
        Where the axis stands.
    now : callable
        Simulated epoch seconds.
    """

    def __init__(self, axis: Axis, position: float, now: Now) -> None:
        self.precision = max(0, len(f"{axis.resolution:.10f}".rstrip("0").split(".")[1]))
        common: dict[str, Any] = {"units": axis.unit, "precision": self.precision}
        self.setpoint = Setpoint(now=now, record="motor", value=position, **common)
        self._fields: dict[str, Served] = {"VAL": self.setpoint}
        for row in read_table("motor_fields"):
            if row["field"] not in ("VAL", "PREC"):
                self._add(row["field"], _make_field(row, now, common))
        self._add("PREC", Short(now=now, value=self.precision))
        self._add("DISP", Short(now=now, value=0))
        for name, value in _starting_values(axis, position).items():
            self._fields[name].preset(value)
        for name in ("VAL", "RBV"):
            self._fields[name].preset_limits(axis.low, axis.high)

    def __getitem__(self, name: str) -> Served:
        return self._fields[name]

    def get(self, name: str) -> Any:
        """Present value of a field."""
        return self._fields[name].value

    async def post(self, **values: Any) -> None:
        """Publish the fields whose value is new."""
        for name, value in values.items():
            if self.get(name) != value or self._fields[name].held is not None:
                await self._fields[name].post(value)

    @property
    def sign(self) -> int:
        """+1 or -1: user coordinates run with the dial or against it."""
        return -1 if self.get("DIR") == "Neg" else 1

    def user(self, dial: float) -> float:
        """User coordinate of a dial coordinate."""
        return self.sign * dial + self.get("OFF")

    def dial(self, user: float) -> float:
        """Dial coordinate of a user coordinate."""
        return self.sign * (user - self.get("OFF"))

    def quantised(self, dial: float) -> float:
        """Dial coordinate of the nearest motor step."""
        step = self.get("MRES")
        return round(round(dial / step) * step, 12)

    def violates_limits(self, user: float) -> bool:
        """Whether a target is beyond the soft limits; equal dial limits switch them off."""
        if self.get("DHLM") == self.get("DLLM"):
            return False
        return not self.get("LLM") <= user <= self.get("HLM")

    def speed(self, name: str = "VELO") -> float:
        """Value of a speed field between VBAS and VMAX."""
        highest = self.get("VMAX")
        speed = max(abs(self.get(name)), self.get("VBAS"), 1e-9)
        return min(speed, highest) if highest > 0 else speed

    async def post_target(self, dial: float) -> None:
        """Publish a target in all coordinates."""
        user, raw = self.user(dial), round(dial / self.get("MRES"))
        await self.post(VAL=user, DVAL=dial, RVAL=raw, LVAL=user, LDVL=dial, LRVL=raw)

    async def post_readback(self, dial: float) -> None:
        """Publish a position in all coordinates."""
        raw = round(dial / self.get("MRES"))
        difference = self.get("DVAL") - dial
        await self.post(RRBV=raw, RMP=raw, REP=raw, DRBV=dial, RBV=self.user(dial), DIFF=difference)

    async def post_limits(self, dial_low: float, dial_high: float) -> None:
        """Publish soft limits in all coordinates."""
        low, high = sorted((self.user(dial_low), self.user(dial_high)))
        step = self.get("MRES")
        await self.post(DLLM=dial_low, DHLM=dial_high, LLM=low, HLM=high)
        await self.post(RLLM=dial_low / step, RHLM=dial_high / step)
        for name in ("VAL", "RBV"):
            await self._fields[name].write_metadata(lower_ctrl_limit=low, upper_ctrl_limit=high)

    def _add(self, name: str, field: Served) -> None:
        self._fields[name] = field
        self.setpoint.add_field(name, field)


def _make_field(row: dict[str, str], now: Now, common: dict[str, Any]) -> Served:
    read_only, kind, default = row["writable"] == "0", row["type"], row["default"]
    if row["states"]:
        states = row["states"].split("|")
        number = states.index(default) if default in states else int(default or 0)
        return enum(states, now=now, value=number, read_only=read_only)
    if kind in _FLOATS:
        return Double(now=now, value=float(default or 0), read_only=read_only, **common)
    if kind in ("STRING", "INLINK", "OUTLINK"):
        return Text(now=now, value=default, read_only=read_only)
    make = Long if kind == "LONG" else Short
    return make(now=now, value=int(default or 0), read_only=read_only)


def _starting_values(axis: Axis, position: float) -> dict[str, Any]:
    """Values of a record just loaded and standing still."""
    raw = round(position / axis.resolution)
    values: dict[str, Any] = dict.fromkeys(("DVAL", "LVAL", "LDVL", "RBV", "DRBV"), position)
    values |= dict.fromkeys(("RVAL", "LRVL", "RRBV", "RMP", "REP"), raw)
    values |= dict.fromkeys(("LLM", "DLLM", "LOPR"), axis.low)
    values |= dict.fromkeys(("HLM", "DHLM", "HOPR"), axis.high)
    values |= dict.fromkeys(("MRES", "ERES", "RRES", "RDBD", "SPDB"), axis.resolution)
    values |= dict.fromkeys(("VELO", "BVEL", "JVEL", "HVEL"), axis.velocity)
    values |= {"RLLM": axis.low / axis.resolution, "RHLM": axis.high / axis.resolution}
    values |= {"VMAX": axis.max_velocity, "ACCL": axis.acceleration_s, "BACC": axis.acceleration_s}
    values |= {"ACCS": axis.velocity / axis.acceleration_s, "EGU": axis.unit}
    values |= {"DMOV": 1, "LVIO": 0, "TWV": 10 * axis.resolution, "VERS": 7.4, "TDIR": 1}
    return values
