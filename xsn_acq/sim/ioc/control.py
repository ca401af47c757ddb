"""The PVs that change the simulation while it runs: ``SIM:Fault``, ``SIM:Clear``, ``SIM:Sample``."""

import math
from collections.abc import Callable, Mapping

from xsn_acq.errors import ConfigError
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.channels import CharArray, Double, Served, Short
from xsn_acq.sim.ioc.faults import (
    Fault,
    Faults,
    HardLimit,
    MotorDead,
    MotorStopsShort,
    NanValue,
    SheetSlips,
    parse_fault,
)
from xsn_acq.sim.ioc.table import Records

TEXT_LENGTH = 256
_OF_AXES = MotorDead | MotorStopsShort | HardLimit | SheetSlips


class Control(Records):
    """Faults and sample by PV.

    Parameters
    ----------
    clock : SimClock
    faults : Faults
    channels : mapping of str to Served
        All PVs of the beamline, for faults that name one.
    axes : collection of str
        Names that motor faults may use.
    change_sample : callable
        Puts another phantom on the stage; raises ValueError for an unknown name.
    sample : str
        Phantom at the start.
    """

    def __init__(
        self,
        clock: SimClock,
        faults: Faults,
        channels: Mapping[str, Served],
        axes: frozenset[str],
        change_sample: Callable[[str], None],
        sample: str,
    ) -> None:
        super().__init__("SIM:", clock.now)
        self._faults, self._channels, self._axes = faults, channels, axes
        self._change_sample = change_sample
        self._held: list[Served] = []
        self.add("Fault", CharArray(now=clock.now, record="waveform", value="", max_length=TEXT_LENGTH))
        self.add("Sample", CharArray(now=clock.now, record="waveform", value=sample, max_length=TEXT_LENGTH))
        self.add("Clear", Short(now=clock.now, record="bo", value=0))
        self.add("Speed", Double(now=clock.now, value=clock.speed, precision=3, read_only=True))
        self.on_put("Fault", self._put_fault)
        self.on_put("Sample", self._put_sample)
        self.on_put("Clear", self._put_clear)

    def check(self, text: str) -> Fault:
        """Read a fault and check the names in it.

        Raises
        ------
        ConfigError
            The text is wrong, or names an axis or a PV that this beamline lacks.
        """
        fault = parse_fault(text)
        if isinstance(fault, _OF_AXES) and fault.axis not in self._axes:
            known = ", ".join(sorted(self._axes))
            raise ConfigError(f"fault {text!r}", [f"no axis {fault.axis!r}; known: {known}"])
        if isinstance(fault, NanValue):
            self._number(fault.pv)
        return fault

    async def inject(self, text: str) -> None:
        """Put a fault in force now."""
        fault = self.check(text)
        if isinstance(fault, NanValue):
            pv = self._number(fault.pv)
            await pv.hold(math.nan)
            self._held.append(pv)
        self._faults.inject(fault)

    def _number(self, name: str) -> Served:
        record, _, field = name.partition(".")
        try:
            pv = self._channels[record].get_field(field)
        except KeyError:
            raise ConfigError(f"fault nan pv={name}", ["no such PV"]) from None
        if not isinstance(pv, Double):
            raise ConfigError(f"fault nan pv={name}", ["only a floating-point PV can be NaN"])
        return pv

    async def _put_fault(self, text: str) -> None:
        await self.inject(text)

    async def _put_clear(self, _: int) -> None:
        self._faults.clear()
        for pv in self._held:
            await pv.release()
        self._held.clear()
        await self.post("Fault", "")

    async def _put_sample(self, name: str) -> None:
        self._change_sample(name)
