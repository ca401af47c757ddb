"""An energy change as a transaction: planned, made, verified; or taken back, or left safe and said so."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from bluesky.utils import RunEngineControlException

from xsn_acq.config.energy import AtEnergy, counts_share
from xsn_acq.errors import DeviceError, EnergyChangeError, XsnError
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.energy_moves import (
    GAP,
    AxisMove,
    EnergyMoves,
    axis_facts,
    axis_moves,
    energy_motors,
    plan_energy,
    positions,
    targets_at,
)
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.steps import Interruption, Plan, asked, every_one, in_plain_words, move_together, step

logger = logging.getLogger(__name__)


class EnergyChanger:
    """Changes the energy of an instrument, again and again; knows where it began and what light it left.

    Parameters
    ----------
    devices : Instrument
    interruption : Interruption
        Tells of pauses, which stop the axes: what they were at is done again.
    beam : Beam
        Waited for before the feedback is switched on.
    judge_light : bool
        Whether too little light is an error. Not so before the undulator is calibrated.
    """

    def __init__(
        self, devices: Instrument, interruption: Interruption, beam: Beam, *, judge_light: bool = True
    ) -> None:
        self._devices, self._interruption, self._beam = devices, interruption, beam
        self._judge_light = judge_light
        self._light: tuple[float, float] | None = None
        self._reference: tuple[float, float] | None = None
        self._starts = positions(devices)
        self._failed = False

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
    ) -> Plan:
        """Go to an energy; what was decided and found, as plain values for a document.

        The experiment shutter is shut meanwhile, and opened at the end if ``then_open``. Feedback off; all
        axes together, and ``also`` (device, target); those that would come from the wrong side first beyond
        their target; each ends when its own done signal has come and it has stayed in its band; feedback on
        and locked; position, focus and light verified.

        Raises
        ------
        LimitError
            Before anything moved, with every reason.
        EnergyChangeError
            It failed: says which axis, what was wanted and found, and how the instrument was left.
        """
        planned = plan_energy(self._devices, energy_ev, beyond_focus_table=beyond_focus_table)
        began = time.monotonic()
        if self._reference is None:
            yield from self._count_first(planned.from_ev)
        try:
            share, found = yield from in_plain_words(self._make(planned, also, then_open=then_open))
        except RunEngineControlException:
            yield from self._make_safe()
            logger.warning("energy change broken off between %s", planned.between)
            raise
        except XsnError as error:
            self._failed = True
            raise (yield from self._take_back(planned, error)) from error
        return {
            **planned.metadata(),
            "found": found,
            "light_share": share,
            "duration_s": time.monotonic() - began,
        }

    def _make(self, planned: EnergyMoves, also: Sequence[tuple[Any, Any]], *, then_open: bool) -> Plan:
        """Go there, light up, verify; share of light, and where the axes are."""
        yield from self._go(planned.moves, also)
        share = yield from self._light_up(planned.at.energy_ev, then_open=then_open)
        return share, self._verified(planned.at)

    def put_back(self) -> Plan:
        """Bring the axes back to where they stood when this was made, the feedback on.

        After a change that failed all stays as that left it, and said.

        Raises
        ------
        XsnError
            It failed, or there is no beam to switch the feedback on with; all has been left safe.
        """
        if self._failed:
            return
        moves = axis_moves(self._devices.file, positions(self._devices), self._starts)
        if not moves and self._devices.mono.feedback.state() == "on":
            return
        errors = yield from every_one(lambda: self._bring_back(moves))
        if errors:
            yield from self._make_safe()
            raise errors[0]

    def _go(self, moves: Sequence[AxisMove], also: Sequence[tuple[Any, Any]] = ()) -> Plan:
        """Feedback off, then all axes together."""
        devices, interruption = self._devices, self._interruption
        first = [(self._device(move.axis), move.target if move.via is None else move.via) for move in moves]
        last = [(self._device(move.axis), move.target) for move in moves if move.via is not None]
        yield from move_together([(devices.mono.feedback, "off")], interruption)
        yield from move_together([(devices.shutter, "closed"), *first, *also], interruption)
        yield from move_together(last, interruption)

    def _light_up(self, energy_ev: float, *, then_open: bool) -> Plan:
        """Feedback on, light counted: its share of what was to be expected; again where beam was lost."""
        while True:
            losses = self._beam.losses
            yield from self._beam.wait_for_source()
            try:
                return (yield from in_plain_words(self._lock_and_count(energy_ev, then_open=then_open)))
            except XsnError:
                lost = yield from self._beam.lost_since(losses)
                if not lost:
                    raise
                yield from self._shut()  # no beam comes back onto the sample unasked for

    def _lock_and_count(self, energy_ev: float, *, then_open: bool) -> Plan:
        devices = self._devices
        opened = [(devices.shutter, "open")] if then_open else []
        yield from move_together([(devices.mono.feedback, "on"), *opened], self._interruption)
        light = yield from self._count(energy_ev)
        faults = self._beam.faults()
        if faults:
            raise EnergyChangeError("; ".join(faults))
        share = self._share(light)
        self._light = light
        if self._reference is None and light[1] > 0:
            self._reference = light
        return share

    def _count_first(self, energy_ev: float) -> Plan:
        """Count what later counts are judged by, unless the feedback does not hold the beam now."""
        yield from self._beam.wait_for_source()
        if not self._devices.mono.feedback.is_locked:
            logger.warning("light before the energy change is not known: the feedback is not locked")
            return
        light = yield from self._count(energy_ev)
        if light[1] > 0:
            self._light = self._reference = light

    def _share(self, light: tuple[float, float]) -> float:
        """Light over what the first good count leads to expect, NaN before that; too little is an error.

        The first, not the last: losses from change to change would add up unseen.
        """
        before, file = self._reference, self._devices.file
        if before is None:
            return math.nan
        expected = before[1] * counts_share(file, before[0], light[0])
        share, least = light[1] / expected, file.beam_monitor.least_share
        if share >= least or not self._judge_light:
            return share
        raise DeviceError(
            "beam_monitor",
            "count",
            f"{least * expected:.4g} or more",
            f"{light[1]:.4g}",
            "counts per s and mA",
            "the gap may not fit the energy: run undulator_calibration",
        )

    def _count(self, energy_ev: float) -> Plan:
        """Count the beam monitor: the energy, and its light for each mA of ring current."""
        devices = self._devices
        monitor, count_s = devices.beam_monitor, devices.file.beam_monitor.count_s
        yield from step("beam monitor count", lambda: monitor.count(count_s))
        current = asked(devices.ring.current)
        return energy_ev, monitor.rate() / current if current > 0 else 0.0

    def _verified(self, at: AtEnergy) -> dict[str, float]:
        """Where the axes are, when all are where the energy wants them."""
        found = positions(self._devices)
        for name, target in targets_at(at).items():
            unit, tolerance, _ = axis_facts(self._devices.file, name)
            if not abs(found[name] - target) <= tolerance:
                raise DeviceError(name, "energy change", target, found[name], unit, "it moved off again")
        return found

    def _take_back(self, planned: EnergyMoves, error: XsnError) -> Plan:
        """Go back to where all stood; the error that says what became of it."""
        what = f"energy change to {planned.at.energy_ev:g} eV: {error}"
        logger.warning("%s; going back", what)
        errors = yield from every_one(self._shut, self._stop, lambda: self._go_back(planned))
        if not errors:
            return EnergyChangeError(
                f"{what}; rolled back to {planned.from_ev:.1f} eV, shutter shut, feedback on"
            )
        unsafe = yield from self._make_safe()
        left = f"left with the shutter shut, feedback off and the axes standing between {planned.between}"
        if unsafe:
            left = f"NOT left safe ({unsafe[0]}): look at shutter and axes, between {planned.between}"
        return EnergyChangeError(
            f"{what}; NOT rolled back ({errors[0]}): {left}; mend it, then change the energy again"
        )

    def _go_back(self, planned: EnergyMoves) -> Plan:
        """Undo the moves that were made, from where the axes are now."""
        starts = {move.axis: move.start for move in planned.moves}
        yield from self._bring_back(axis_moves(self._devices.file, positions(self._devices), starts))

    def _bring_back(self, moves: Sequence[AxisMove]) -> Plan:
        """Make moves, and the feedback on; without beam, which is not waited for, it stays off."""
        feedback = self._devices.mono.feedback
        yield from self._go(moves)
        faults = self._beam.source_faults()
        if faults:
            raise DeviceError(feedback.name, "put back", "on", "off", hint="; ".join(faults))
        yield from move_together([(feedback, "on")], self._interruption)

    def _make_safe(self) -> Plan:
        """Shutter shut, feedback off, axes standing; what went wrong."""
        feedback = self._devices.mono.feedback
        errors: list[Exception] = yield from every_one(
            self._shut, lambda: move_together([(feedback, "off")], self._interruption), self._stop
        )
        for error in errors:
            logger.error("energy change: %s", error)
        return errors

    def _shut(self) -> Plan:
        yield from move_together([(self._devices.shutter, "closed")], self._interruption)

    def _stop(self) -> Plan:
        """All axes stand."""
        axes = [*energy_motors(self._devices).values(), self._devices.undulator]
        errors = yield from every_one(
            *(lambda axis=axis: step(f"{axis.name} stop", axis.stand) for axis in axes)
        )
        if errors:
            raise errors[0]

    def _device(self, axis: str) -> Any:
        return self._devices.undulator if axis == GAP else energy_motors(self._devices)[axis]
