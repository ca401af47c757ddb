"""What the files of all full-field beamlines have in common, and what follows from it."""

from abc import abstractmethod
from typing import Annotated, Self

from pydantic import Field, model_validator

from xsn_acq.config.axes import FullFieldAxes
from xsn_acq.config.base import Frozen
from xsn_acq.config.calibration import FullFieldCalibration
from xsn_acq.config.parts import FullFieldPrefixes, Ring, SamplePlace, Sensor

Place = tuple[str, float, float, float, str]
"""Name, value, lowest, highest, unit."""


class FullField(Frozen):
    """One beamline with a turning sample and a camera: what all techniques have."""

    name: Annotated[str, Field(min_length=1)]
    title: str
    technique: str
    pvs: FullFieldPrefixes
    axes: FullFieldAxes
    ring: Ring
    detection: Sensor
    geometry: SamplePlace
    calibration: FullFieldCalibration

    @property
    @abstractmethod
    def energy_range_ev(self) -> tuple[float, float]:
        """Lowest and highest photon energy of the monochromator."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        faults = self.faults()
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def faults(self) -> list[str]:
        """What cannot be."""
        return self._record_faults() + self._place_faults()

    def places(self) -> list[Place]:
        """Places that must lie where their axes or the sensor reach."""
        x, geometry = self.axes.sample_x, self.geometry
        return [
            ("geometry.sample_x_centre_um", geometry.sample_x_centre_um, x.low, x.high, "um"),
            ("geometry.sample_out_um", geometry.sample_out_um, x.low, x.high, "um"),
        ]

    def _record_faults(self) -> list[str]:
        """Two axes on one motor: the wrong one would move."""
        owner: dict[str, str] = {}
        faults = []
        for name in type(self.axes).model_fields:
            pv = getattr(self.axes, name).pv
            other = owner.setdefault(pv, name)
            if other != name:
                faults.append(f"axes.{name}.pv: {pv} is the motor of axes.{other} already")
        return faults

    def _place_faults(self) -> list[str]:
        """Places where nothing can be."""
        return [
            f"{name}: {value} {unit} is outside {low} to {high} {unit}"
            for name, value, low, high, unit in self.places()
            if not low <= value <= high
        ]
