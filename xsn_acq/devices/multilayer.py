"""Double-multilayer monochromator."""

import math
from typing import Any

from ophyd import Component as Cpt
from ophyd import DerivedSignal
from ophyd.status import StatusBase

from xsn_acq.devices.motor import AxisComponent, Stage
from xsn_acq.errors import LimitError
from xsn_acq.optics import monochromator


class PitchEnergy(DerivedSignal):
    """Photon energy in electronvolts from the pitch of the first multilayer: h c / (2 d sin(theta))."""

    def inverse(self, value: float) -> float:
        """Energy in eV at a pitch as read, in degrees; NaN at an angle that reflects nothing."""
        if not 0 < value <= 90:
            return math.nan
        return monochromator.energy_ev(value, self.parent.period_angstrom)


class MultilayerMono(Stage):
    """Two multilayers, each with its pitch (deg), and the energy (eV): ``set(10000.0)`` turns both.

    Parameters
    ----------
    period_angstrom : float
        Of the multilayers.
    bandwidth : float
        Full width of what they let pass, over the energy.
    energy_range_ev : tuple of float
        Lowest and highest energy; others are refused.
    """

    first = AxisComponent()
    second = AxisComponent()
    energy_ev = Cpt(PitchEnergy, derived_from="first.user_readback", write_access=False, kind="hinted")

    def __init__(
        self,
        prefix: str = "",
        *,
        period_angstrom: float,
        bandwidth: float,
        energy_range_ev: tuple[float, float],
        **kwargs: Any,
    ) -> None:
        self.period_angstrom, self.bandwidth = period_angstrom, bandwidth
        self.energy_range_ev = energy_range_ev
        super().__init__(prefix, **kwargs)

    def set(self, energy_ev: float) -> StatusBase:
        """Turn both multilayers to an energy; the status ends when both are there.

        Raises
        ------
        LimitError
            Before anything moves.
        """
        low, high = self.energy_range_ev
        if not low <= energy_ev <= high:
            found = f"energy: wanted {low:g} to {high:g} eV, found {energy_ev:g} eV; choose another"
            raise LimitError(f"{self.name} to {energy_ev:g} eV", [found])
        pitch = monochromator.bragg_angle_deg(energy_ev, self.period_angstrom)
        faults = [fault for each in (self.first, self.second) for fault in each.limit_faults(pitch)]
        if faults:
            raise LimitError(f"{self.name} to {energy_ev:g} eV", faults)
        both: StatusBase = self.first.set(pitch) & self.second.set(pitch)
        return both

    def beam_faults(self) -> list[str]:
        """Say why no steady beam leaves it, asked now: the second does not reflect what the first does.

        They may differ by half the angle that the bandwidth is wide, bandwidth * tan(pitch).
        """
        first, second = (
            float(each.user_readback.get(use_monitor=False)) for each in (self.first, self.second)
        )
        most = self.bandwidth * math.tan(math.radians(abs(first))) / 2
        if math.radians(abs(second - first)) <= most:
            return []
        wanted = f"wanted {first:.5f} +- {math.degrees(most):.5f} deg, the pitch of the first"
        return [f"{self.second.name}: {wanted}, found {second:.5f} deg; move it there"]
