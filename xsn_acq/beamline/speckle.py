"""The instrument of speckle microtomography."""

from dataclasses import dataclass

from ophyd import Device

from xsn_acq.beamline.full_field import FullFieldInstrument, full_field_devices
from xsn_acq.config import SpeckleBeamline
from xsn_acq.devices.multilayer import MultilayerMono
from xsn_acq.devices.optics import SpeckleDiffuser
from xsn_acq.devices.pco_edge import PcoEdge


@dataclass(frozen=True)
class SpeckleInstrument(FullFieldInstrument):
    """Every device of a beamline with a multilayer and a diffuser behind the sample."""

    file: SpeckleBeamline
    mono: MultilayerMono
    camera: PcoEdge
    diffuser: SpeckleDiffuser

    def axes_of_changes(self) -> list[Device]:
        """The diffuser, and the multilayers."""
        return [self.mono.first, self.mono.second, self.diffuser.x, self.diffuser.y]

    def own_problems(self) -> list[str]:
        """Multilayers that do not reflect the same, a diffuser that a killed session left out of the beam."""
        return [*self.mono.beam_faults(), *self._diffuser_problems()]

    def _diffuser_problems(self) -> list[str]:
        """The beam misses the sheet: a run would put it back there at its end."""
        sheet, found = self.file.diffuser, []
        for motor, size_mm in ((self.diffuser.x, sheet.width_mm), (self.diffuser.y, sheet.height_mm)):
            place_mm = float(motor.user_readback.get(use_monitor=False))
            if abs(place_mm) > size_mm / 2:
                found.append(
                    f"{motor.name}: the diffuser is out of the beam, at {place_mm:.2f} mm, where runs would "
                    f"leave it; move it back (caput {motor.prefix} 0)"
                )
        return found


def speckle_instrument(file: SpeckleBeamline) -> SpeckleInstrument:
    """Make every device; nothing is waited for."""
    axes, multilayer = file.axes, file.multilayer
    return SpeckleInstrument(
        **full_field_devices(file),
        mono=MultilayerMono(
            axes={"first": axes.multilayer_1, "second": axes.multilayer_2},
            period_angstrom=multilayer.period_angstrom,
            bandwidth=multilayer.bandwidth,
            energy_range_ev=file.energy_range_ev,
            name="mono",
        ),
        camera=PcoEdge(file.pvs.camera, name="camera"),
        diffuser=SpeckleDiffuser(axes={"x": axes.diffuser_x, "y": axes.diffuser_y}, name="diffuser"),
    )
