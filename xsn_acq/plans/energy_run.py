"""Frames at rest at a list of energies, as one run: flats and images, each with its energy."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xsn_acq.config.energy import at_energy
from xsn_acq.errors import DeviceError
from xsn_acq.params import CameraParams
from xsn_acq.plans.energy_change import EnergyChanger
from xsn_acq.plans.energy_moves import axis_facts, axis_move, positions, targets_at
from xsn_acq.plans.energy_places import EnergyPlace
from xsn_acq.plans.energy_rows import EnergyChangeRow, EnergyPoint
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.places import AxisName
from xsn_acq.plans.points_run import STREAM, PointsRun
from xsn_acq.plans.record import Rows
from xsn_acq.plans.state import State, imaging
from xsn_acq.plans.steps import Plan, asked, move, move_together, step, stop
from xsn_acq.plans.stills_checks import motor

MOST_DISTURBED = 3
"""So many points are taken again because an axis was moved from elsewhere; then the run fails."""

logger = logging.getLogger(__name__)


class EnergyRun(PointsRun[Instrument, State]):
    """One run over energies.

    Parameters
    ----------
    plan_name, technique : str
        For the start document.
    devices, params, frame, state, folder
        See `Measurement`.
    where : sequence of EnergyPlace
        Where frames are taken.
    beyond_focus_table : bool
        Whether the focus need not be known.
    """

    def __init__(
        self,
        plan_name: str,
        technique: str,
        devices: Instrument,
        params: CameraParams,
        frame: Framing,
        state: State,
        where: Sequence[EnergyPlace],
        folder: Path,
        *,
        beyond_focus_table: bool = False,
    ) -> None:
        super().__init__(devices, params, frame, state, folder, EnergyPoint)
        self._plan_name, self._technique, self._where = plan_name, technique, tuple(where)
        self._beyond = beyond_focus_table
        self._changer = EnergyChanger(devices, self._interruption, self._beam)
        self._changes = Rows("energy_changes", EnergyChangeRow)
        self._energy_ev: float | None = None
        self._disturbed = 0

    def start(self) -> dict[str, Any]:
        """Name and technique, how the images are made, and what each energy asks for."""
        expected = {"darks": self._camera_params.darks, STREAM: sum(place.frames for place in self._where)}
        energies = tuple(dict.fromkeys(place.energy_ev for place in self._where))
        file, detector_z = self._devices.file, self._state.detector_z_mm
        return {
            "plan_name": self._plan_name,
            "technique": self._technique,
            "acquisition": {
                **imaging(file, self._frame, self._state, expected),
                "sample_x_um": self._state.sample_x_um,
                "detector_z_mm": detector_z,
                "energies_ev": list(energies),
                "pixel_sizes_m": [
                    file.pixel_size_m(energy, self._frame.binning, detector_z) for energy in energies
                ],
                "zone_plate_z_mm": [
                    at_energy(file, energy, detector_z).zone_plate_z_mm for energy in energies
                ],
            },
        }

    def measure(self) -> Plan:
        """Darks, then all places."""
        yield from self._darks()
        yield from self._changes.declare()
        yield from self.scan()

    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Shut, stop, keep what was measured, move back; energy too, unless changing it has failed."""
        devices, camera = self._devices, self._devices.camera
        moved: tuple[AxisName, ...] = tuple(
            dict.fromkeys(name for place in self._where for name, _ in place.axes if name != "zone_plate_z")
        )
        return (
            lambda: move(devices.shutter, "closed", self._interruption),
            *(lambda name=name: stop(motor(devices, name)) for name in moved),
            lambda: step("camera stop", camera.stop_acquiring),
            self.salvage,
            lambda: step("camera close file", camera.close_file),
            *(lambda name=name: self._put_back(name) for name in moved),
            self._changer.put_back,
        )

    def points(self) -> int:
        """Places."""
        return len(self._where)

    def frames_at(self, point: int) -> int:
        """As its place says."""
        return self._where[point].frames

    def go_to(self, point: int) -> Plan:
        """Change the energy where it is another; all motors that it does not need move meanwhile."""
        place = self._where[point]
        if self._energy_ev != place.energy_ev or self._astray(place, positions(self._devices)):
            free = [pair for pair in self._others(place) if pair[0] is not self._devices.zone_plate.z]
            yield from self._change(place.energy_ev, free)
        yield from self._move(self._others(place))

    def row(self, point: int, first_frame: int, current_ma: float) -> EnergyPoint:
        """Energy and positions as read back."""
        devices, place, here = self._devices, self._where[point], positions(self._devices)
        energy = asked(devices.mono.energy_ev)
        self._note_disturbance(place, here)
        return EnergyPoint(
            point=point,
            kind=place.kind,
            first_frame=first_frame,
            frames=devices.camera.frames_written() - first_frame,
            ended=time.time(),
            ring_current_ma=0.5 * (current_ma + self.ring_current()),
            wanted_ev=place.energy_ev,
            energy_ev=energy,
            undulator_gap_mm=here["undulator_gap"],
            zone_plate_x_um=here["zone_plate_x"],
            zone_plate_y_um=here["zone_plate_y"],
            zone_plate_z_mm=here["zone_plate_z"],
            cutoff_x_um=self._readback("cutoff_x"),
            sample_x_um=self._readback("sample_x"),
            theta_deg=self._readback("sample_theta"),
            pixel_size_m=devices.file.pixel_size_m(energy, self._frame.binning, self._state.detector_z_mm),
            light=self._changer.light,
            status="ok",
        )

    def _astray(self, place: EnergyPlace, here: Mapping[str, float]) -> list[DeviceError]:
        """Axes that are not where the energy of a place wants them; its own ``axes`` are left out."""
        file, own = self._devices.file, {name for name, _ in place.axes}
        wanted = targets_at(at_energy(file, place.energy_ev, self._state.detector_z_mm))
        found = []
        for name, target in wanted.items():
            unit, tolerance, _ = axis_facts(file, name)
            if name not in own and not abs(here[name] - target) <= tolerance:
                hint = "it was moved from elsewhere"
                found.append(DeviceError(name, "energy scan", target, here[name], unit, hint))
        return found

    def _note_disturbance(self, place: EnergyPlace, here: Mapping[str, float]) -> None:
        """Frames that were taken while an axis was elsewhere count as interrupted, and come again.

        Raises
        ------
        DeviceError
            It happened too often.
        """
        astray = self._astray(place, here)
        if not astray:
            return
        self._disturbed += 1
        self._closures += 1
        logger.warning("frames at %g eV are taken again: %s", place.energy_ev, astray[0])
        if self._disturbed > MOST_DISTURBED:
            raise astray[0]

    def _change(self, energy_ev: float, others: Sequence[tuple[Any, float]]) -> Plan:
        """Change the energy and record what was decided; after a failure it stays where it was left."""
        self._energy_ev = None
        change = yield from self._changer.change(
            energy_ev, also=others, beyond_focus_table=self._beyond, then_open=True
        )
        self._energy_ev = energy_ev
        self._changes.push([EnergyChangeRow.of(change)])
        yield from self._changes.emit()

    def _others(self, place: EnergyPlace) -> list[tuple[Any, float]]:
        """Motors of a place that are not there yet, with their targets."""
        motors = [(name, motor(self._devices, name), target) for name, target in place.axes]
        return [
            (device, target)
            for name, device, target in motors
            if abs(self._readback(name) - target) > device.axis.tolerance
        ]

    def _move(self, others: Sequence[tuple[Any, float]]) -> Plan:
        """Move motors together; those that would come from the wrong side first go beyond their target."""
        beyond = []
        for device, target in others:
            here = asked(device.user_readback)
            way = axis_move(device.name, here, target, device.axis.unit, device.axis.backlash)
            if way.via is not None:
                beyond.append((device, way.via))
        yield from move_together(beyond, self._interruption)
        yield from move_together(others, self._interruption)

    def _put_back(self, name: AxisName) -> Plan:
        """Move a motor to where it was before the run, unless it is there."""
        before = self._state.position(name)
        if abs(self._readback(name) - before) > motor(self._devices, name).axis.tolerance:
            yield from move(motor(self._devices, name), before, self._interruption)

    def _readback(self, name: AxisName) -> float:
        return asked(motor(self._devices, name).user_readback)
