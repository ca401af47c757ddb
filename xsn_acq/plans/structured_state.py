"""Where a microscope with structured illumination stands before a run, and what its images mean."""

from dataclasses import dataclass
from typing import Any

from xsn_acq.params import StructuredIllumination
from xsn_acq.params.structured import CondenserSetting
from xsn_acq.plans.framing import Framing
from xsn_acq.plans.instrument import StructuredInstrument
from xsn_acq.plans.state import MicroscopeState, common_state
from xsn_acq.plans.steps import asked
from xsn_acq.units import wavelength_m


@dataclass(frozen=True)
class StructuredState(MicroscopeState):
    """What the devices say."""

    coarse_x_mm: float
    coarse_y_mm: float
    fine_x_mm: float
    fine_y_mm: float
    condenser: CondenserSetting
    vortex_x_mm: float


def read_structured_state(devices: StructuredInstrument) -> StructuredState:
    """Ask the devices, now."""
    coarse, fine, condenser = devices.sandpaper_coarse, devices.sandpaper_fine, devices.condenser
    return StructuredState(
        **common_state(devices),
        coarse_x_mm=asked(coarse.x.user_readback),
        coarse_y_mm=asked(coarse.y.user_readback),
        fine_x_mm=asked(fine.x.user_readback),
        fine_y_mm=asked(fine.y.user_readback),
        condenser=CondenserSetting.model_construct(
            x_um=asked(condenser.x.user_readback),
            y_um=asked(condenser.y.user_readback),
            pitch_urad=asked(condenser.pitch.user_readback),
            yaw_urad=asked(condenser.yaw.user_readback),
        ),
        vortex_x_mm=asked(devices.fluorescence_stage.x.user_readback),
    )


def structured_acquisition(
    devices: StructuredInstrument, params: StructuredIllumination, frame: Framing, state: StructuredState
) -> dict[str, Any]:
    """What a reconstruction must know, for the start document."""
    file, energy = devices.file, state.energy_ev
    expected = {
        "darks": params.darks,
        "patterns": params.frames - params.darks,
        "spectra": 0 if params.passes == "out" else params.patterns + params.references,
    }
    return {
        "energy_ev": energy,
        "wavelength_m": wavelength_m(energy),
        "pixel_size_m": file.pixel_size_m(energy, frame.binning, state.detector_z_mm),
        "detector_z_mm": state.detector_z_mm,
        "binning": frame.binning,
        "roi": list(frame.roi),
        "frame_shape": list(frame.shape),
        "exposure_s": frame.exposure_s,
        "frame_period_s": frame.period_s,
        "theta_deg": state.theta_deg,
        "sample_x_um": state.sample_x_um,
        "vortex_x_mm": state.vortex_x_mm,
        "elements": list(params.elements),
        "patterns": params.patterns,
        "vortex": file.vortex.model_dump(mode="json"),
        "expected": {stream: frames for stream, frames in expected.items() if frames},
    }
