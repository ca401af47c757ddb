"""Where each calibration takes its stills, and what it costs: from parameters and beamline file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import numpy as np

from xsn_acq.config import Axis, Beamline
from xsn_acq.params import (
    FindRotationAxis,
    FocusScan,
    FoucaultTest,
    KnifeEdgeScan,
    PixelSize,
    StillsParams,
)

AxisName = Literal["cutoff_x", "cutoff_z", "zone_plate_z", "sample_x", "sample_theta"]


@dataclass(frozen=True)
class Places:
    """Points of a scan in the order in which they are visited.

    Attributes
    ----------
    axes : tuple of str
        Motors that are moved, as the beamline file calls them; in this order.
    targets : tuple of tuple of float
        For each point a position of each motor, in the motor's unit.
    """

    axes: tuple[AxisName, ...]
    targets: tuple[tuple[float, ...], ...]

    def span(self, axis: AxisName) -> tuple[float, float]:
        """Lowest and highest position of a motor."""
        positions = [target[self.axes.index(axis)] for target in self.targets]
        return min(positions), max(positions)

    def travel_s(self, file: Beamline) -> float:
        """Time of the moves from point to point at the motors' own velocities, seconds."""
        axes: list[Axis] = [getattr(file.axes, name) for name in self.axes]
        return sum(
            abs(there - here) / axis.velocity + axis.acceleration_s
            for before, after in pairwise(self.targets)
            for axis, here, there in zip(axes, before, after, strict=True)
            if here != there
        )


def _knife_edge(params: KnifeEdgeScan, file: Beamline, **_: float) -> Places:
    """Across the pupil and back: drift that is linear in time cancels."""
    there = _about(file.geometry.cutoff_x_zero_um, params.half_range_um, params.points)
    return Places(("cutoff_x",), tuple((x,) for x in (*there, *reversed(there))))


def _foucault(params: FoucaultTest, file: Beamline, **_: float) -> Places:
    """Plane by plane; across the pupil in turns from either side."""
    planes = _about(file.cutoff_z_mm, params.half_range_mm, params.planes)
    edges = _about(file.geometry.cutoff_x_zero_um, params.half_range_um, params.edges)
    rows = [product((z,), reversed(edges) if index % 2 else edges) for index, z in enumerate(planes)]
    return Places(("cutoff_z", "cutoff_x"), tuple(point for row in rows for point in row))


def _focus(
    params: FocusScan, file: Beamline, *, energy_ev: float, detector_z_mm: float, sample_x_um: float
) -> Places:
    """About the focus known so far, upwards: backlash is the same at each point."""
    edge = opened_cutoff_um(file, params.opened_um)
    positions = focus_positions_mm(params, file, energy_ev, detector_z_mm)
    return Places(("cutoff_x", "zone_plate_z"), tuple((edge, z) for z in positions))


def focus_positions_mm(
    params: FocusScan, file: Beamline, energy_ev: float, detector_z_mm: float
) -> tuple[float, ...]:
    """Readings of zone_plate_z of a focus scan, rising: about the focus of the table, else of theory."""
    return _about(file.zone_plate_z_mm(energy_ev, detector_z_mm), params.half_range_mm, params.points)


def opened_cutoff_um(file: Beamline, opened_um: float) -> float:
    """Position of cutoff_x with the filter opened by so much from the optical axis."""
    geometry = file.geometry
    return geometry.cutoff_x_zero_um + (-opened_um if geometry.cutoff_passes == "positive" else opened_um)


def _axis(params: FindRotationAxis, file: Beamline, **_: float) -> Places:
    """With rising angle."""
    return Places(("sample_theta",), tuple((angle,) for angle in params.angles_deg))


def _pixel_size(
    params: PixelSize, file: Beamline, *, energy_ev: float, detector_z_mm: float, sample_x_um: float
) -> Places:
    """About where the sample is, upwards."""
    return Places(
        ("sample_x",), tuple((x,) for x in _about(sample_x_um, params.half_range_um, params.points))
    )


def _about(centre: float, half_range: float, points: int) -> tuple[float, ...]:
    return tuple(float(x) for x in np.linspace(centre - half_range, centre + half_range, points))


_PLACES: Mapping[type[StillsParams], Callable[..., Places]] = {
    KnifeEdgeScan: _knife_edge,
    FoucaultTest: _foucault,
    FocusScan: _focus,
    FindRotationAxis: _axis,
    PixelSize: _pixel_size,
}


def places(
    params: StillsParams, file: Beamline, *, energy_ev: float, detector_z_mm: float, sample_x_um: float
) -> Places:
    """Where a calibration takes its stills.

    Parameters
    ----------
    params : StillsParams
        The calibration.
    file : Beamline
        The instrument, with what is calibrated so far.
    energy_ev, detector_z_mm, sample_x_um : float
        Where the instrument stands.
    """
    there = {"energy_ev": energy_ev, "detector_z_mm": detector_z_mm, "sample_x_um": sample_x_um}
    return _PLACES[type(params)](params, file, **there)
