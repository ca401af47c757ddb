"""Where the instrument stands before a run: read once, then judged and kept in the start document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from xsn_acq.config import Beamline
from xsn_acq.config.imaging import axis_on_sensor, detector_fwhm_m, knife_edge_at
from xsn_acq.devices.left_behind import left_behind
from xsn_acq.params import XsnTomography
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import FullFieldInstrument, ImagingInstrument, Instrument
from xsn_acq.plans.places import AxisName
from xsn_acq.plans.steps import asked
from xsn_acq.units import wavelength_m


@dataclass(frozen=True)
class FullFieldState:
    """What the devices say that every beamline has."""

    beam_faults: tuple[str, ...]
    shutter: str
    energy_ev: float
    sample_x_um: float
    theta_deg: float
    left_behind: tuple[str, ...]


AnyState = TypeVar("AnyState", bound=FullFieldState)


@dataclass(frozen=True)
class TurningState(FullFieldState):
    """What the rotation stage of a fly tomogram says too."""

    theta_max_velocity: float
    theta_acceleration_s: float


AnyTurningState = TypeVar("AnyTurningState", bound=TurningState)


@dataclass(frozen=True)
class MicroscopeState(FullFieldState):
    """What the devices say that every microscope with a zone plate has."""

    zone_plate_z_mm: float
    detector_z_mm: float


@dataclass(frozen=True)
class State(MicroscopeState, TurningState):
    """What the devices of a schlieren microscope say."""

    gap_mm: float
    gap_deadband_mm: float
    cutoff_x_um: float
    cutoff_z_mm: float

    def position(self, axis: AxisName) -> float:
        """Where a motor stood, in its unit."""
        places: dict[AxisName, float] = {
            "cutoff_x": self.cutoff_x_um,
            "cutoff_z": self.cutoff_z_mm,
            "zone_plate_z": self.zone_plate_z_mm,
            "sample_x": self.sample_x_um,
            "sample_theta": self.theta_deg,
        }
        return places[axis]


def read_state(devices: Instrument) -> State:
    """Ask the devices, now."""
    return State(
        **common_state(devices),
        **turning_state(devices),
        gap_mm=asked(devices.undulator.gap),
        gap_deadband_mm=asked(devices.undulator.deadband),
        cutoff_x_um=asked(devices.cutoff.x.user_readback),
        cutoff_z_mm=asked(devices.cutoff.z.user_readback),
    )


def common_state(devices: ImagingInstrument) -> dict[str, Any]:
    """Ask for the fields of `MicroscopeState`."""
    return {
        **full_field_state(devices),
        "zone_plate_z_mm": asked(devices.zone_plate.z.user_readback),
        "detector_z_mm": asked(devices.detector.z.user_readback),
    }


def turning_state(devices: FullFieldInstrument) -> dict[str, Any]:
    """Ask for the fields of `TurningState` that others lack."""
    theta = devices.sample.theta
    return {
        "theta_max_velocity": asked(theta.max_velocity),
        "theta_acceleration_s": asked(theta.acceleration),
    }


def full_field_state(devices: FullFieldInstrument) -> dict[str, Any]:
    """Ask for the fields of `FullFieldState`."""
    return {
        "beam_faults": tuple(Beam(devices).faults()),
        "shutter": devices.shutter.state(),
        "energy_ev": asked(devices.mono.energy_ev),
        "sample_x_um": asked(devices.sample.x.user_readback),
        "theta_deg": asked(devices.sample.theta.user_readback),
        "left_behind": tuple(left_behind(devices.detectors(), devices.position_compare)),
    }


def imaging(file: Beamline, frame: Framing, state: State, expected: Mapping[str, int]) -> dict[str, Any]:
    """What whoever works on the frames must know of how they were made, for the start document.

    The knife-edge curve was measured at one energy. The condenser's angles stay, so that its frequencies grow
    with the energy.

    Parameters
    ----------
    file, frame, state
        The instrument, its frames, where it stands.
    expected : mapping of str to int
        Frames of each stream.
    """
    energy, detector_z = state.energy_ev, state.detector_z_mm
    curve = file.calibration.knife_edge
    return {
        "energy_ev": energy,
        "wavelength_m": wavelength_m(energy),
        "pixel_size_m": file.pixel_size_m(energy, frame.binning, detector_z),
        "numerical_aperture": file.zone_plate.numerical_aperture(energy),
        "cutoff_per_m": file.cutoff_frequency_per_m(state.cutoff_x_um, energy),
        "cutoff_passes": file.geometry.cutoff_passes,
        "detector_fwhm_m": detector_fwhm_m(file, energy, detector_z),
        "axis_column": frame.axis_column(_axis_on_sensor(file, state)),
        "binning": frame.binning,
        "roi": list(frame.roi),
        "frame_shape": list(frame.shape),
        "exposure_s": frame.exposure_s,
        "frame_period_s": frame.period_s,
        "magnification": file.magnification(energy, detector_z),
        "sample_to_scintillator_m": file.total_length_m(detector_z),
        "knife_edge": knife_edge_at(curve, energy),
        "stray_fraction": curve.stray_fraction,
        "expected": {stream: frames for stream, frames in expected.items() if frames},
    }


def acquisition(file: Beamline, params: XsnTomography, frame: Framing, state: State) -> dict[str, Any]:
    """What a reconstruction must know, for the start document: `imaging`, and how the stage turns."""
    rhythm = frame.rhythm(params)
    expected = {
        "darks": params.darks,
        "projections": params.projections,
        "flats": params.flats * params.takes_flats_before,
        "flats_after": params.flats * params.takes_flats_after,
    }
    turning = {"velocity_deg_s": rhythm.velocity_deg_s, "step_deg": rhythm.step_deg}
    return imaging(file, frame, state, expected) | turning


def _axis_on_sensor(file: Beamline, state: State) -> float:
    """Column of the rotation axis on the unbinned sensor."""
    return axis_on_sensor(file, state.energy_ev, state.sample_x_um, state.detector_z_mm)
