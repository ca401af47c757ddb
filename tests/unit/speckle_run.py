"""Synthetic speckle runs: a ball of glass before sandpaper, seen as the simulator's optics see it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from documents import SyntheticRun
from pixel_axes import axis

from xsn_acq.config import load_microscope
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.phantoms import SILICA, Phantom
from xsn_acq.sim.shapes import Ellipsoid
from xsn_acq.sim.speckle_diffuser import SandpaperDiffuser
from xsn_acq.sim.speckle_imaging import SpeckleOptics, speckle_image
from xsn_acq.units import wavelength_m

SHAPE = (64, 96)
PIXEL_UM = 0.65
ENERGY_EV = 10_000.0
LENGTHS_UM = (3.48, 4.31)
PHOTONS = 20_000.0
PEDESTAL = 100.0
OPTICS = SpeckleOptics().with_lengths(*LENGTHS_UM, PIXEL_UM)
BALL = Phantom("ball", (Ellipsoid.sphere((3.0, 1.0, 2.0), 9.0, SILICA),))


@lru_cache(maxsize=256)
def _image(
    shape: tuple[int, int], phantom: Phantom | None, theta_deg: float | None, place_um: tuple[float, float]
) -> np.ndarray:
    """Expected transmission (ny, nx) behind the sheet at ``place_um``, read only."""

    def diffuser(x, y):
        return SandpaperDiffuser().projected(ENERGY_EV, x, y, place_um)

    def sample(x, y):
        return phantom.projection(ENERGY_EV, theta_deg, x, y)

    x_um, y_um = axis(shape[1], PIXEL_UM), axis(shape[0], PIXEL_UM)
    image = speckle_image(OPTICS, x_um, y_um, sample=None if phantom is None else sample, diffuser=diffuser)
    image.setflags(write=False)
    return image


@dataclass
class SpeckleRun(SyntheticRun):
    """One position of the diffuser, ``position_mm``, which drifts by ``drift_um`` in x over the run."""

    projections: int = 9
    shape: tuple[int, int] = SHAPE
    span_deg: float = 180.0
    references: int = 4
    phantom: Phantom = BALL
    position_mm: tuple[float, float] = (0.0, 0.0)
    number: int = 0
    positions_mm: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    series: str = "series-1"
    drift_um: float = 0.0
    drift_way: Callable[[float], float] | None = None
    mode: str = "single_material"
    beta_over_delta: float | None = None
    noisy: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dark = lambda index: np.full(self.shape, PEDESTAL)
        self.flat = lambda index: self._noisy(np.ones(self.shape))
        self._flown = 0.0
        self.reference = lambda index: self._noisy(self.image(None, self._flown))
        self.projection = lambda index, theta: self._noisy(self.image(theta, self._drifted(theta)))

    def image(self, theta_deg: float | None, drifted_um: float) -> np.ndarray:
        """Expected transmission (ny, nx), of the diffuser alone where there is no angle."""
        place = self.position_mm[0] * 1e3 + drifted_um, self.position_mm[1] * 1e3
        return _image(self.shape, None if theta_deg is None else self.phantom, theta_deg, place)

    def start_metadata(self) -> dict[str, Any]:
        beamline = load_microscope("pls2-6c")
        ny, nx = self.shape
        constants = optical_constants(SILICA.formula, SILICA.density_g_cm3, ENERGY_EV)
        ratio = constants.beta / constants.delta if self.beta_over_delta is None else self.beta_over_delta
        return {
            "plan_name": "speckle_tomography",
            "technique": "pwf",
            "params": {"projections": self.projections, "exposure_s": self.exposure_s, "note": ""},
            "beamline": beamline.model_dump(mode="json"),
            "speckle": {
                "series": self.series,
                "number": self.number,
                "count": len(self.positions_mm),
                "position_mm": list(self.position_mm),
                "positions_mm": [list(each) for each in self.positions_mm],
            },
            "acquisition": {
                "energy_ev": ENERGY_EV,
                "wavelength_m": wavelength_m(ENERGY_EV),
                "pixel_size_m": PIXEL_UM * 1e-6,
                "sample_to_diffuser_m": OPTICS.sample_to_diffuser_m,
                "diffuser_to_scintillator_m": OPTICS.diffuser_to_scintillator_m,
                "sample_to_scintillator_m": OPTICS.sample_to_diffuser_m + OPTICS.diffuser_to_scintillator_m,
                "axis_column": (nx - 1) / 2,
                "binning": 1,
                "roi": [1280 - nx // 2, 1080 - ny // 2, nx, ny],
                "frame_shape": [ny, nx],
                "exposure_s": self.exposure_s,
                "frame_period_s": self.period_s,
                "velocity_deg_s": self.step_deg / self.period_s,
                "step_deg": self.step_deg,
                "mode": self.mode,
                "beta_over_delta": ratio or None,
                "diffuser_beta_over_delta": 0.0058,
                "expected": {
                    "darks": self.darks,
                    "flats": self.flats,
                    "references": self.references,
                    "projections": self.projections,
                },
                **self.more,
            },
            "note": "",
            "scan_id": 1,
        }

    def drifted_um(self, theta_deg: float) -> float:
        """Where the diffuser has drifted to at an angle: evenly, or the way it is said."""
        if self.drift_way is not None:
            return self.drift_way(theta_deg)
        return self.drift_um * (theta_deg - self.start_deg) / self.span_deg

    def _drifted(self, theta_deg: float) -> float:
        self._flown = self.drifted_um(theta_deg)
        return self._flown

    def _noisy(self, image: np.ndarray) -> np.ndarray:
        counts = PHOTONS * np.asarray(image, float)
        return PEDESTAL + (self._random.poisson(counts) if self.noisy else counts)
