"""Where the undulator's light is brightest at an energy: its gap scanned before the beam monitor."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bluesky import plan_stubs as bps

from xsn_acq.config.energy import gap_mm
from xsn_acq.params import UndulatorCalibration
from xsn_acq.plans.energy_change import EnergyChanger
from xsn_acq.plans.energy_moves import GAP, axis_moves
from xsn_acq.plans.energy_rows import EnergyChangeRow
from xsn_acq.plans.gap_checks import check_gap_scans, gap_places
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.record import Rows
from xsn_acq.plans.run import Run
from xsn_acq.plans.state import read_state
from xsn_acq.plans.steps import Plan, asked, move, step, stop
from xsn_acq.plans.sure_points import SurePoints


def undulator_calibration(
    devices: Instrument, params: UndulatorCalibration, *, folder: Path, md: Mapping[str, Any] | None = None
) -> Plan:
    """Scan the undulator's gap at each energy and count the beam monitor; the shutter stays shut.

    Parameters
    ----------
    devices : Instrument
        The instrument.
    params : UndulatorCalibration
        What to take.
    folder : Path
        As for every plan; no frame is taken.
    md : mapping, optional
        More for the start document.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    EnergyChangeError
        An energy change failed: which axis, and how the instrument was left.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Streams: ``points`` (see `GapPoint`), ``energy_changes``. Each gap is reached from below. A point that was
    interrupted by a pause or a loss of beam is taken again, and those before it of which it is not beyond
    doubt that they had beam. All ends where it was, gap and energy too.
    """
    check_gap_scans(devices, params, read_state(devices))
    yield from GapRun(devices, params).run(md)


@dataclass(frozen=True, slots=True)
class GapPoint:
    """Counts of the beam monitor at one gap.

    ``point`` counts the places from 0; one that was interrupted comes again. ``wanted_ev`` is the energy
    asked for, ``energy_ev`` that of the Bragg axis as read back, like the gap. ``ring_current_ma`` is the
    mean of before and after the count; ``ended`` is Unix seconds. ``flagged``: beam may have been missing.
    """

    point: int
    wanted_ev: float
    energy_ev: float
    harmonic: int
    undulator_gap_mm: float
    counts: float
    count_s: float
    ring_current_ma: float
    ended: float
    status: Literal["ok", "flagged"]


class GapRun(Run[Instrument]):
    """One run of gap scans.

    Parameters
    ----------
    devices, params
        See `undulator_calibration`.
    """

    def __init__(self, devices: Instrument, params: UndulatorCalibration) -> None:
        super().__init__(devices, params)
        self._params, self._where = params, gap_places(devices.file, params)
        late_s = devices.file.ring.late_s
        self._points = SurePoints(GapPoint, self._beam, late_s, self._interruptions, bps.null)
        self._changer = EnergyChanger(devices, self._interruption, self._beam, judge_light=False)
        self._changes = Rows("energy_changes", EnergyChangeRow)
        self._energy_ev: float | None = None
        self._preset_s = asked(devices.beam_monitor.preset_s)

    def start(self) -> dict[str, Any]:
        """Name and technique, and what is scanned."""
        return {
            "plan_name": "undulator_calibration",
            "technique": "calibration",
            "acquisition": {
                "energies_ev": list(dict.fromkeys(self._params.once_ev)),
                "harmonic": self._devices.file.undulator.harmonic,
                "expected": {},
            },
        }

    def measure(self) -> Plan:
        """All gaps at all energies."""
        yield from self._points.declare()
        yield from self._changes.declare()
        yield from self._points.take(range(len(self._where)), self._point)

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Stop, keep what was measured, move back; energy too, unless changing it has failed."""
        devices = self._devices
        return (
            lambda: stop(devices.undulator),
            self._points.give_up,
            lambda: bps.abs_set(devices.beam_monitor.preset_s, self._preset_s, wait=True),
            self._changer.put_back,
        )

    def how_far(self) -> str:
        """Points that are good."""
        return f"{self._points.good} of {len(self._where)} points good"

    def _point(self, point: int) -> Plan:
        """Go there and count; its row, alone."""
        devices, place = self._devices, self._where[point]
        yield from self._beam.wait()
        if self._energy_ev != place.energy_ev:
            yield from self._change(place.energy_ev)
        yield from self._go(place.gap_mm)
        current_ma, count_s = asked(devices.ring.current), self._params.count_s
        yield from step("beam monitor count", lambda: devices.beam_monitor.count(count_s))
        row = GapPoint(
            point=point,
            wanted_ev=place.energy_ev,
            energy_ev=asked(devices.mono.energy_ev),
            harmonic=devices.file.undulator.harmonic,
            undulator_gap_mm=asked(devices.undulator.gap),
            counts=asked(devices.beam_monitor.counts),
            count_s=count_s,
            ring_current_ma=0.5 * (current_ma + asked(devices.ring.current)),
            ended=time.time(),
            status="ok",
        )
        return (row,)

    def _change(self, energy_ev: float) -> Plan:
        """Change the energy; the gap is first put right, for a change that fails goes back to it."""
        if self._energy_ev is not None:
            yield from self._go(gap_mm(self._devices.file, self._energy_ev))
        self._energy_ev = None
        change = yield from self._changer.change(energy_ev, beyond_focus_table=True)
        self._energy_ev = energy_ev
        self._changes.push([EnergyChangeRow.of(change)])
        yield from self._changes.emit()

    def _go(self, target_mm: float) -> Plan:
        """Move the gap; where it would come from the wrong side, first beyond."""
        devices = self._devices
        here = {GAP: asked(devices.undulator.gap)}
        for gap in axis_moves(devices.file, here, {GAP: target_mm}):
            if gap.via is not None:
                yield from move(devices.undulator, gap.via, self._interruption)
            yield from move(devices.undulator, gap.target, self._interruption)

    def _interruptions(self) -> tuple[int, int]:
        """Pauses and losses of beam."""
        return self._interruption.pauses, self._beam.losses
