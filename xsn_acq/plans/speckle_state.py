"""Where a beamline for speckle microtomography stands before a run, and what its images mean."""

from dataclasses import dataclass
from typing import Any

from xsn_acq.config import SpeckleBeamline
from xsn_acq.optics.materials import optical_constants
from xsn_acq.params import SpeckleTomography
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import SpeckleInstrument
from xsn_acq.plans.state import TurningState, full_field_state, turning_state
from xsn_acq.plans.steps import asked
from xsn_acq.units import MM, UM, wavelength_m

_ANY_DENSITY_G_CM3 = 1.0
"""The ratio of beta to delta does not depend on it."""


@dataclass(frozen=True)
class SpeckleState(TurningState):
    """What the devices say."""

    sample_z_um: float
    diffuser_x_mm: float
    diffuser_y_mm: float


def read_speckle_state(devices: SpeckleInstrument) -> SpeckleState:
    """Ask the devices, now."""
    return SpeckleState(
        **full_field_state(devices),
        **turning_state(devices),
        sample_z_um=asked(devices.sample.z.user_readback),
        diffuser_x_mm=asked(devices.diffuser.x.user_readback),
        diffuser_y_mm=asked(devices.diffuser.y.user_readback),
    )


def one_position(params: SpeckleTomography, frame: Framing, number: int) -> SpeckleTomography:
    """Parameters of the tomogram at position ``number``: every second one turns back.

    A frame is exposed while the stage turns on. Backwards each begins where it ended forwards, so that frames
    at all positions show the sample over the same angles: target i forwards is n - 1 - i backwards.
    """
    if number % 2 == 0:
        return params
    rhythm = frame.rhythm(params)
    start = params.start_deg + params.direction * params.span_deg + 2 * rhythm.mid_exposure_deg
    return params.model_copy(update={"start_deg": start, "direction": -params.direction})


def beta_over_delta(params: SpeckleTomography, energy_ev: float) -> float | None:
    """Ratio that ties absorption to phase; None where it is to be found, or nothing is tied.

    Raises
    ------
    ConfigError
        ``material`` is no chemical formula.
    """
    if params.beta_over_delta is not None or params.mode == "free" or not params.material:
        return params.beta_over_delta
    return _ratio(params.material, energy_ev)


def speckle_acquisition(
    file: SpeckleBeamline, params: SpeckleTomography, frame: Framing, state: SpeckleState
) -> dict[str, Any]:
    """What a reconstruction must know, for the start document."""
    rhythm, energy, geometry = frame.rhythm(params), state.energy_ev, file.geometry
    to_diffuser_m = geometry.sample_to_diffuser_mm * MM - state.sample_z_um * UM
    expected = {
        "darks": params.darks,
        "flats": params.flats,
        "references": params.references,
        "projections": params.projections,
        "references_after": params.references * params.references_after,
    }
    return {
        "energy_ev": energy,
        "wavelength_m": wavelength_m(energy),
        "pixel_size_m": file.pixel_size_m(frame.binning),
        "sample_to_diffuser_m": to_diffuser_m,
        "diffuser_to_scintillator_m": geometry.diffuser_to_scintillator_mm * MM,
        "sample_to_scintillator_m": to_diffuser_m + geometry.diffuser_to_scintillator_mm * MM,
        "axis_column": frame.axis_column(file.axis_on_sensor(state.sample_x_um)),
        "binning": frame.binning,
        "roi": list(frame.roi),
        "frame_shape": list(frame.shape),
        "exposure_s": frame.exposure_s,
        "frame_period_s": frame.period_s,
        "velocity_deg_s": rhythm.velocity_deg_s,
        "step_deg": rhythm.step_deg,
        "mode": params.mode,
        "beta_over_delta": beta_over_delta(params, energy),
        "diffuser_beta_over_delta": _ratio(file.diffuser.material, energy),
        "expected": {stream: frames for stream, frames in expected.items() if frames},
        "references_between": params.references * params.spans,
    }


def _ratio(formula: str, energy_ev: float) -> float:
    constants = optical_constants(formula, _ANY_DENSITY_G_CM3, energy_ev)
    return constants.beta / constants.delta
