"""A whole tomogram of known spheres, calibrations included, with everything the simulator can do to it."""

import numpy as np
import pytest

from tests.system.virtual_beamline import VirtualBeamline, grids_um
from xsn_acq.analysis.frc import resolution
from xsn_acq.analysis.quality import background, material_values
from xsn_acq.live.volume import VolumeFile
from xsn_acq.optics.materials import optical_constants

ENERGY_EV = 8300.0


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Errors of delta and beta of each material; what else the file of the volume says."""
    beamline = VirtualBeamline("microparticles", ENERGY_EV)
    paths = beamline.tomogram(tmp_path_factory.mktemp("microparticles"))
    with VolumeFile(paths.volume) as file:
        delta, beta, summary = file.delta[()], file.beta[()], file.summary()
        labels = beamline.phantom.labels(*grids_um(delta.shape, summary.pixel_size_m))
        alignment = dict(file.alignment())
    errors = {}
    for quantity, volume in (("delta", delta), ("beta", beta)):
        known = {
            material.name: (number, getattr(_constants(material), quantity))
            for number, material in enumerate(beamline.phantom.materials)
            if material.formula
        }
        found = material_values(volume, labels, known, erosion=3)
        errors[quantity] = {each.material: each.error for each in found}
    print(errors, background(delta, labels), background(beta, labels), alignment)
    print({q: 1e9 * resolution(curve) for q, curve in summary.halves.curves.items()})
    return errors, background(delta, labels), summary


def _constants(material):
    return optical_constants(material.formula, material.density_g_cm3, ENERGY_EV)


@pytest.mark.parametrize("material", ["Al", "SiO2", "Cu"])
def test_delta_is_right(measured, material):
    assert measured[0]["delta"][material] == pytest.approx(0, abs=0.02)  # the bar; seen: 0.3 to 1.2 %


def test_beta_of_copper_is_right(measured):
    assert measured[0]["beta"]["Cu"] == pytest.approx(0, abs=0.05)  # the bar; seen: 0.1 to 2 %


def test_air_is_empty(measured):
    assert abs(measured[1].median) < 0.005 * 3.6e-6  # half a per cent of the glue


def test_phase_is_resolved_finer_than_absorption(measured):
    curves = measured[2].halves.curves
    # the paper: 91 and 158 nm
    assert resolution(curves["delta"]) < 180e-9 < resolution(curves["beta"])


def test_every_pair_converged(measured):
    residual = measured[2].residual
    assert residual.shape == (450, 7)
    assert np.isfinite(residual).all()
    assert (residual[:, -1] <= 1.02 * residual.min(axis=1)).all()
