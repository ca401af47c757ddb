"""An energy change as a transaction: planned, made, verified; or taken back, or left safe and said so."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.utils import RunEngineControlException

from xsn_acq.config.energy import counts_share
from xsn_acq.errors import DeviceError, EnergyChangeError, XsnError
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.checks import focus_faults, source_faults
from xsn_acq.plans.energy_moves import (
    GAP,
    AxisMove,
    EnergyMoves,
    axis_moves,
    energy_motors,
    plan_energy,
    positions,
)
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Interruption, Plan, every_one, in_plain_words, move_together, step

logger = logging.getLogger(__name__)


class EnergyChanger:
    """Changes the energy of an instrument, again and again, and knows what light it left.

    Parameters
    ----------
    devices : Instrument
    interruption : Interruption
        Tells of pauses, which stop the axes: what they were at is done again.
    beam : Beam
        Waited for before the feedback is switched on.
    """

    def __init__(self, devices: Instrument, interruption: Interruption, beam: Beam) -> None:
        self._devices, self._interruption, self._beam = devices, interruption, beam
        self._light: tuple[float, float] | None = None

    @property
    def light(self) -> float:
        """Counts per second and mA of the last count of the beam monitor; NaN before the first."""
        return math.nan if self._light is None else self._light[1]

    def change(
        self,
        energy_ev: float,
        *,
        also: Sequence[tuple[Any, Any]] = (),
        beyond_focus_table: bool = False,
        then_open: bool = False,
        judge_source: bool = True,
    ) -> Plan:
        """Go to an energy; what was decided and found, as plain values for a document.

        The experiment shutter is shut meanwhile, and opened at the end if ``then_open``. Feedback off; all
        axes together, and ``also`` (device, target); those that would come from the wrong side first beyond
        their target; each ends when its own done signal has come and it has stayed in its band; feedback on
        and locked; position, focus and light verified. Without ``judge_source`` the gap need not fit the
        energy and no light is counted: the undulator is about to be calibrated.

        Raises
        ------
        LimitError
            Before anything moved, with every reason.
        EnergyChangeError
            It failed: says which axis, what was wanted and found, and how the instrument was left.
        """
        planned = plan_energy(self._devices, energy_ev, beyond_focus_table=beyond_focus_table)
        began = time.monotonic()
        if judge_source and self._light is None:
            yield from self._count(planned.from_ev)
        try:
            yield from in_plain_words(self._make(planned.moves, also, then_open=then_open))
            share = yield from in_plain_words(self._verify(planned, judge_source=judge_source))
        except RunEngineControlException:
            yield from every_one(self._make_safe)
            logger.warning("energy change broken off between %s", planned.between)
            raise
        except XsnError as error:
            raise (yield from self._take_back(planned, error)) from error
        return {
            **planned.metadata(),
            "found": positions(self._devices),
            "light_share": share,
            "duration_s": time.monotonic() - began,
        }

    def restore(self, starts: Mapping[str, float]) -> Plan:
        """Bring the axes back to `xsn_acq.plans.energy_moves.positions` of before."""
        moves = axis_moves(self._devices.file, positions(self._devices), starts)
        if moves:
            yield from in_plain_words(self._make(moves))

    def _make(
        self, moves: Sequence[AxisMove], also: Sequence[tuple[Any, Any]] = (), *, then_open: bool = False
    ) -> Plan:
        """Feedback off, all axes together, feedback on."""
        devices, interruption = self._devices, self._interruption
        first = [(self._device(move.axis), move.via) for move in moves if move.via is not None]
        straight = [(self._device(move.axis), move.target) for move in moves if move.via is None]
        last = [(self._device(move.axis), move.target) for move in moves if move.via is not None]
        feedback = devices.mono.feedback
        yield from move_together([(feedback, "off")], interruption)
        yield from move_together([(devices.shutter, "closed"), *first, *straight, *also], interruption)
        yield from move_together(last, interruption)
        yield from self._beam.wait_for_source()
        opened = [(devices.shutter, "open")] if then_open else []
        yield from move_together([(feedback, "on"), *opened], interruption)

    def _verify(self, planned: EnergyMoves, *, judge_source: bool) -> Plan:
        """Everything is where it was sent, in focus, and the beam is there: its share of what was before."""
        devices, at = self._devices, planned.at
        state = read_state(devices)
        axis = devices.file.axes.bragg
        if abs(_asked(devices.mono.bragg.user_readback) - at.bragg_deg) > axis.tolerance:
            hint = "the Bragg axis moved off"
            raise DeviceError("mono", "energy", at.energy_ev, state.energy_ev, "eV", hint)
        faults = list(state.beam_faults)
        if judge_source:
            faults += source_faults(devices.file, state)
        if any(move.axis == "zone_plate_z" for move in planned.moves):
            faults += focus_faults(devices.file, state)
        if faults:
            raise EnergyChangeError("; ".join(faults))
        if not judge_source:
            return math.nan
        before = self._light
        yield from self._count(at.energy_ev)
        return self._share(before)

    def _share(self, before: tuple[float, float] | None) -> float:
        """Light after over what was to be expected from that before; too little is an error."""
        if before is None or self._light is None or before[1] <= 0:
            return math.nan
        file = self._devices.file
        expected = before[1] * counts_share(file, before[0], self._light[0])
        share, least = self._light[1] / expected, file.beam_monitor.least_share
        if share >= least:
            return share
        wanted, found = least * expected, self._light[1]
        self._light = before
        raise DeviceError(
            "beam_monitor",
            "count",
            f"{wanted:.4g} or more",
            f"{found:.4g}",
            "counts per s and mA",
            "the gap may not fit the energy: run undulator_calibration",
        )

    def _count(self, energy_ev: float) -> Plan:
        """Count the beam monitor: light for each mA of ring current, with the energy it belongs to."""
        devices = self._devices
        yield from bps.abs_set(devices.beam_monitor.preset_s, devices.file.beam_monitor.count_s, wait=True)
        yield from step("beam monitor count", devices.beam_monitor.trigger)
        current = _asked(devices.ring.current)
        self._light = (energy_ev, devices.beam_monitor.rate() / current if current > 0 else 0.0)

    def _take_back(self, planned: EnergyMoves, error: XsnError) -> Plan:
        """Go back to where all stood; the error that says what became of it."""
        what = f"energy change to {planned.at.energy_ev:g} eV: {error}"
        logger.warning("%s; going back", what)
        errors = yield from every_one(self._stop, lambda: self._go_back(planned))
        if not errors:
            return EnergyChangeError(f"{what}; rolled back to {planned.from_ev:.1f} eV, shutter shut")
        yield from every_one(self._make_safe)
        return EnergyChangeError(
            f"{what}; NOT rolled back ({errors[0]}): left with the shutter shut, feedback off and the axes "
            f"standing between {planned.between}; mend it, then change the energy again"
        )

    def _go_back(self, planned: EnergyMoves) -> Plan:
        """Undo the moves that were made, from where the axes are now."""
        yield from self.restore({move.axis: move.start for move in planned.moves})

    def _stop(self) -> Plan:
        """All axes stand."""
        axes = [*energy_motors(self._devices).values(), self._devices.undulator]
        yield from every_one(*(lambda axis=axis: step(f"{axis.name} stop", axis.stand) for axis in axes))

    def _make_safe(self) -> Plan:
        """Shutter shut, feedback off, axes standing."""
        devices = self._devices
        errors = yield from every_one(
            lambda: move_together([(devices.shutter, "closed")], self._interruption),
            lambda: move_together([(devices.mono.feedback, "off")], self._interruption),
            self._stop,
        )
        for error in errors:
            logger.error("energy change: %s", error)

    def _device(self, axis: str) -> Any:
        return self._devices.undulator if axis == GAP else energy_motors(self._devices)[axis]


def _asked(signal: Any) -> float:
    return float(signal.get(use_monitor=False))
