"""The cutoff filter in the pupil of the zone plate."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import DerivedSignal

from xsn_acq.devices.motor import AxisComponent, Stage


class EdgeFrequency(DerivedSignal):
    """Spatial frequency of the edge at the sample, cycles per um: (x - x0) / (lambda f) (paper Eq. 6).

    lambda f = D dr, diameter times outermost zone width, at every energy.
    """

    def inverse(self, value: float) -> float:
        """Frequency in cycles per um with the edge at ``value`` um."""
        return (value - self.parent.edge_zero_um) * self.parent.edge_scale_per_um2


class CutoffFilter(Stage):
    """An opaque edge at x (um) across the pupil, z (mm) from the pupil plane.

    Parameters
    ----------
    edge_zero_um : float
        x at which the edge is on the optical axis.
    edge_scale_per_um2 : float
        Cycles per um at the sample for each um of x; 1 / (D dr) of the zone plate, the same at every energy.
    """

    x = AxisComponent()
    z = AxisComponent()
    edge_frequency_per_um = Cpt(
        EdgeFrequency, derived_from="x.user_readback", write_access=False, kind="normal"
    )

    def __init__(
        self, prefix: str = "", *, edge_zero_um: float, edge_scale_per_um2: float, **kwargs: Any
    ) -> None:
        self.edge_zero_um = edge_zero_um
        self.edge_scale_per_um2 = edge_scale_per_um2
        super().__init__(prefix, **kwargs)
