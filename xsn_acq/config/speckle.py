"""The beamline file of speckle microtomography: a multilayer, a diffuser behind the sample, no lens."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from xsn_acq.config.axes import SpeckleAxes
from xsn_acq.config.base import Finite, Frozen, Positive
from xsn_acq.config.calibration import SpeckleCalibration
from xsn_acq.config.full_field import FullField, Place
from xsn_acq.config.parts import FullFieldPrefixes, ReadoutPort, SamplePlace, Sensor
from xsn_acq.optics import monochromator
from xsn_acq.units import UM


class MultilayerMono(Frozen):
    """Double-multilayer monochromator: its period takes the place of the crystals' d spacing.

    ``bandwidth`` is the full width of what it lets pass, over the energy.
    """

    period_angstrom: Positive
    bandwidth: Annotated[float, Field(gt=0, lt=0.5)]
    energy_low_ev: Positive
    energy_high_ev: Positive

    @model_validator(mode="after")
    def _reflects(self) -> Self:
        low, high = self.energy_low_ev, self.energy_high_ev
        if low >= high:
            raise ValueError(f"energy_low_ev: {low} must be below energy_high_ev {high} eV")
        self.pitch_deg(low)
        return self

    def pitch_deg(self, energy_ev: float) -> float:
        """Pitch of both multilayers at an energy, from lambda = 2 d sin(theta); refraction left out.

        Raises
        ------
        ValueError
            The multilayer cannot reflect it.
        """
        return monochromator.bragg_angle_deg(energy_ev, self.period_angstrom)

    def energy_ev(self, pitch_deg: float) -> float:
        """Energy at a pitch of the first multilayer; the inverse of `pitch_deg`.

        Raises
        ------
        ValueError
            Nothing is reflected at that angle.
        """
        return monochromator.energy_ev(pitch_deg, self.period_angstrom)


class Diffuser(Frozen):
    """Sandpaper behind the sample: ``layers`` sheets with grains of ``material``, ``grain_um`` wide.

    At readings 0 of its stage the middle of the sheet is in the beam; ``x_out_mm`` is the reading of
    diffuser_x with the diffuser out of it.
    """

    material: Annotated[str, Field(min_length=1)]
    density_g_cm3: Positive
    grain_um: Positive
    layers: Annotated[int, Field(gt=0)]
    width_mm: Positive
    height_mm: Positive
    x_out_mm: Finite


class SpeckleGeometry(SamplePlace):
    """Where things stand along the beam, and the sample across it."""

    sample_to_diffuser_mm: Positive
    diffuser_to_scintillator_mm: Positive
    source_to_sample_m: Positive


class SpeckleDetection(Sensor):
    """Scintillator, objective and sCMOS camera; ``readout_s`` is that of the full sensor.

    ``numerical_aperture`` of the objective and ``scintillator_um`` are for the record: nothing reads them.
    """

    numerical_aperture: Positive
    scintillator_um: Positive
    readout_s: Positive

    def full_readout_s(self, port: ReadoutPort) -> float:
        """Readout time of the full sensor, seconds; the camera has one way only."""
        return self.readout_s


class SpeckleBeamline(FullField):
    """One beamline for speckle microtomography: the whole file."""

    technique: Literal["pwf"]
    pvs: FullFieldPrefixes
    axes: SpeckleAxes
    multilayer: MultilayerMono
    diffuser: Diffuser
    detection: SpeckleDetection
    geometry: SpeckleGeometry
    calibration: SpeckleCalibration

    @property
    def energy_range_ev(self) -> tuple[float, float]:
        """Lowest and highest photon energy of the multilayer."""
        return self.multilayer.energy_low_ev, self.multilayer.energy_high_ev

    def nominal_pixel_size_m(self, binning: int) -> float:
        """Size of a binned pixel at the scintillator, from the objective alone."""
        return self.detection.camera_pixel_um * UM * binning / self.detection.objective_magnification

    def pixel_size_m(self, binning: int) -> float:
        """Size of a binned pixel at the sample: the objective's, corrected by the measured size.

        The cone of the beam magnifies by 23 mm in 36 m, 0.06 %: that is in the measured size or left out.
        """
        measured = self.calibration.pixel_size
        return (1.0 if measured is None else measured.ratio) * self.nominal_pixel_size_m(binning)

    def field_um(self, columns: int) -> float:
        """Width of so many columns of the unbinned sensor at the sample, um."""
        return columns * self.pixel_size_m(1) / UM

    def axis_on_sensor(self, sample_x_um: float) -> float:
        """Column of the rotation axis on the unbinned sensor; sample_x sits under the axis and moves it."""
        calibrated = self.calibration.rotation_axis
        return calibrated.column + (sample_x_um - calibrated.sample_x_um) * UM / self.pixel_size_m(1)

    def faults(self) -> list[str]:
        """Also a sample that is still in the field of the whole sensor where flats are taken."""
        geometry, least = self.geometry, self.field_um(self.detection.sensor_columns)
        if abs(geometry.sample_out_um - geometry.sample_x_centre_um) >= least:
            return super().faults()
        said = f"geometry.sample_out_um: {geometry.sample_out_um:g} um must be {least:g} um or more from"
        centre = f"sample_x_centre_um {geometry.sample_x_centre_um:g} um, the width of the field"
        return [*super().faults(), f"{said} {centre}"]

    def places(self) -> list[Place]:
        """The diffuser out of the beam, the pitches of the energies and the rotation axis too."""
        x, last = self.axes.diffuser_x, self.detection.sensor_columns - 1
        column = self.calibration.rotation_axis.column
        return [
            *super().places(),
            ("diffuser.x_out_mm", self.diffuser.x_out_mm, x.low, x.high, "mm"),
            ("calibration.rotation_axis.column", column, 0.0, last, "px"),
            *self._pitch_places(),
        ]

    def _pitch_places(self) -> list[Place]:
        """Pitches that the lowest and the highest energy need."""
        pitches = {"multilayer_1": self.axes.multilayer_1, "multilayer_2": self.axes.multilayer_2}
        return [
            (f"{name} at {energy:g} eV", self.multilayer.pitch_deg(energy), axis.low, axis.high, "deg")
            for name, axis in pitches.items()
            for energy in self.energy_range_ev
        ]
