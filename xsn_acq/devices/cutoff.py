"""The cutoff filter in the pupil of the zone plate."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import DerivedSignal

from xsn_acq.devices.motor import AxisComponent, Stage
from xsn_acq.units import NM, UM


class EdgeFrequency(DerivedSignal):
    """Spatial frequency of the edge at the sample, cycles per um: (x - x0) / (lambda f) (paper Eq. 6)."""

    def inverse(self, value: float) -> float:
        """Frequency in cycles per um with the edge at ``value`` um."""
        return (value - self.parent.edge_zero_um) * self.parent.edge_scale_per_um2


class CutoffFilter(Stage):
    """An opaque edge at x (um) across the pupil, z (mm) from the pupil plane.

    Parameters
    ----------
    edge_zero_um : float
        x at which the edge is on the optical axis.
    lens_diameter_um, outermost_zone_width_nm : float
        Of the zone plate, D and dr: lambda f = D dr at every energy.
    """

    x = AxisComponent()
    z = AxisComponent()
    edge_frequency_per_um = Cpt(EdgeFrequency, derived_from="x.user_readback", write_access=False)

    def __init__(
        self,
        prefix: str = "",
        *,
        edge_zero_um: float,
        lens_diameter_um: float,
        outermost_zone_width_nm: float,
        **kwargs: Any,
    ) -> None:
        self.edge_zero_um = edge_zero_um
        self.edge_scale_per_um2 = UM * UM / (lens_diameter_um * UM * outermost_zone_width_nm * NM)
        super().__init__(prefix, **kwargs)
