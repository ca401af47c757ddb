"""Phase and absorption back from images made on a finer grid, with what the model leaves out."""

from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
from schlieren_truth import APERTURE_PER_M, smooth_knife_edge
from tomogram import INDEX, PIXEL_M, WAVELENGTH_M, inside, measure

from xsn_acq.analysis.retrieval import XsnRetrieval, has_converged, tikhonov_weight
from xsn_acq.analysis.tomography import volume
from xsn_acq.analysis.xsn_stream import reconstruct_pairs
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.schlieren import ImageFormation, Schlieren


def sphere(shape, pixel, radius=2.4e-6):
    y, x = ((np.arange(n) - 0.5 * (n - 1)) * pixel for n in shape)
    chord = np.sqrt(np.maximum(0, 1 - (x**2 + y[:, None] ** 2) / radius**2))
    return -0.5 * chord, -4.0 * chord


def optics(shape=(128, 160), pixel=50e-9, **more):
    return Schlieren(shape, pixel, APERTURE_PER_M, more.pop("cutoff", 0.0), smooth_knife_edge(), **more)


@pytest.mark.parametrize("passes", ["positive", "negative"])
@pytest.mark.parametrize("cutoff", [0.0, 0.8e6])
def test_a_strong_sphere_comes_back(passes, cutoff):
    setup = optics(passes=passes, cutoff=cutoff)
    alpha, phi = sphere(setup.shape, setup.pixel_size_m)
    form = ImageFormation(setup)
    sample = np.exp(alpha + 1j * phi)
    field = XsnRetrieval(setup).pair(form.intensity(sample), form.intensity(sample[:, ::-1]))
    assert field.phi.dtype == field.alpha.dtype == np.float32
    assert len(field.residual) == 7
    # seven steps reach 1e-3 on paper and here; the rim of the sphere converges last
    assert all(later < earlier for earlier, later in zip(field.residual, field.residual[1:], strict=False))
    assert field.residual[-1] < 5e-3
    assert np.sqrt(np.mean((field.phi - phi) ** 2)) < 0.005 * 4
    assert np.sqrt(np.mean((field.alpha - alpha) ** 2)) < 0.01 * 0.5


def test_air_is_zero_whatever_the_rows():
    setup = optics()
    alpha, phi = sphere(setup.shape, setup.pixel_size_m)
    form = ImageFormation(setup)
    offsets = np.linspace(-1, 1, setup.shape[0])[:, None]  # a phase of its own on each row leaves no trace
    sample = np.exp(alpha + 1j * (phi + offsets))
    field = XsnRetrieval(setup).pair(form.intensity(sample), form.intensity(sample[:, ::-1]))
    assert np.abs(field.phi[:, :4]).max() < 0.02  # 0.5 % of the sphere's phase


def test_the_preview_shows_the_phase():
    setup = optics()
    _, phi = sphere(setup.shape, setup.pixel_size_m, radius=0.5e-6)
    image = ImageFormation(setup).intensity(np.exp(0.05j * phi))
    preview = XsnRetrieval(setup).preview(image)
    slope = (preview * phi).sum() / (phi * 0.05 * phi).sum()
    # weak and without absorption the linear answer holds; its regularisation takes part of the slow phase
    assert 0.7 < slope < 1.05
    assert np.corrcoef(preview.ravel(), phi.ravel())[0, 1] > 0.95


def test_an_empty_pair_gives_an_empty_field():
    setup = optics((16, 32))
    air = np.full(setup.shape, setup.background, np.float32)
    field = XsnRetrieval(setup).pair(air, air)
    # float32 rounding, magnified where phase is badly seen
    assert np.abs(field.phi).max() < 1e-4
    assert field.residual[0] == 0.0


@pytest.mark.parametrize("cutoff", [-1e8, 1e8])
def test_no_contrast_is_refused(cutoff):
    with pytest.raises(ReconstructionError, match="no phase contrast"):
        XsnRetrieval(optics(cutoff=cutoff))


def test_a_wrong_shape_is_refused():
    with pytest.raises(ReconstructionError, match="wanted an image"):
        XsnRetrieval(optics((16, 32))).preview(np.ones((16, 31)))


@pytest.mark.parametrize(("passes", "cutoff"), [("positive", 0.0), ("negative", 0.6e6)])
def test_delta_and_beta_are_quantitative(passes, cutoff):
    run = measure(60, passes=passes, cutoff=cutoff)
    pairs = reconstruct_pairs(run.frames, run.theta_deg, run.settings, run.dark, run.flat)
    stack = np.stack([pair.field.alpha + 1j * pair.field.phi for pair in pairs])
    theta = np.deg2rad([pair.theta_deg for pair in pairs])
    index = volume(stack, theta, pixel_size_m=PIXEL_M, wavelength_m=WAVELENGTH_M)
    for material, (delta, beta) in INDEX.items():
        voxels = inside(material)
        # the demo's bar is 5 %; 5000 photons and 72 nm of blur leave about 1 %
        assert index.imag[voxels].mean() == pytest.approx(delta, rel=0.03), material
        # noise of beta is 6e-7 a voxel: means over 300 voxels or more carry 2e-8
        assert index.real[voxels].mean() == pytest.approx(beta, abs=6e-8), material
    assert abs(np.median(index.imag[:6])) < 0.02 * INDEX["Al"][0]  # background, the demo's bar


def test_one_step_is_right_for_a_weak_sample_and_too_weak_for_a_strong_one():
    setup = optics()
    alpha, phi = sphere(setup.shape, setup.pixel_size_m)
    form, retrieval = ImageFormation(setup), XsnRetrieval(setup)
    for strength, low, high in ((0.02, 0.97, 1.03), (1.0, 0.3, 0.9)):  # Eq. 4 drops the second order
        sample = np.exp(strength * (alpha + 1j * phi))
        field = retrieval.linear(form.intensity(sample), form.intensity(sample[:, ::-1]))
        slope = (field.phi * phi).sum() / (phi * strength * phi).sum()
        assert low < slope < high


@pytest.mark.parametrize("cutoff", [0.0, 0.8e6])
def test_one_image_is_enough_for_one_material(cutoff):
    setup = optics(cutoff=cutoff)
    _, phi = sphere(setup.shape, setup.pixel_size_m)
    image = ImageFormation(setup).intensity(np.exp((0.05 + 1j) * phi))
    field = XsnRetrieval(setup).single(image, 0.05)
    # the slowest frequencies come through absorption alone and converge last
    assert np.sqrt(np.mean((field.phi - phi) ** 2)) < 0.02 * 4
    np.testing.assert_allclose(field.alpha, 0.05 * field.phi, atol=1e-6)  # float32
    assert field.converged
    with pytest.raises(ReconstructionError, match="above 0"):
        XsnRetrieval(setup).single(image, 0.0)


def test_iterations_that_do_not_come_to_rest_are_told():
    assert has_converged((0.3, 0.1, 0.05))
    assert not has_converged((0.3, 0.1, 0.2))
    assert not has_converged((0.3, np.nan))


def test_another_array_library_gives_the_same_field():
    # array_api_strict has nothing beyond the standard, so what runs on it runs on a GPU library
    setup = optics((32, 48), pixel=80e-9)
    alpha, phi = sphere(setup.shape, setup.pixel_size_m, radius=1e-6)
    sample = np.exp(alpha + 1j * phi)
    images = ImageFormation(setup).intensity(sample), ImageFormation(setup).intensity(sample[:, ::-1])
    wanted = XsnRetrieval(setup, iterations=3).pair(*images)
    found = XsnRetrieval(setup, iterations=3, xp=array_api_strict).pair(*images)
    np.testing.assert_allclose(found.phi, wanted.phi, atol=1e-3)  # float32 rounding, magnified at low k
    np.testing.assert_allclose(found.alpha, wanted.alpha, atol=1e-4)


def test_the_weight_follows_the_noise():
    # twice the noise, four times its power; never 0
    assert tikhonov_weight(0.02, 0.5) == pytest.approx(4 * tikhonov_weight(0.01, 0.5))
    assert tikhonov_weight(0.0, 0.5) > 0


def test_stray_light_is_taken_off():
    clean = measure(30, photons=1e6)
    stray = 0.02
    # it adds to frames and flats alike, evenly: a share of all light, of which the cutoff passes about half
    background = clean.settings.optics((64, 96)).background
    light = clean.flat - clean.dark
    more = stray / (1 - stray) / background * light
    raw = clean.frames + more
    settings = replace(clean.settings, stray_fraction=stray)
    found, ignored, wanted = (
        np.mean([-pair.field.phi[20:44, 30:66].mean() for pair in reconstruct_pairs(*args)])
        for args in (
            (raw, clean.theta_deg, settings, clean.dark, clean.flat + more),
            (raw, clean.theta_deg, clean.settings, clean.dark, clean.flat + more),
            (clean.frames, clean.theta_deg, clean.settings, clean.dark, clean.flat),
        )
    )
    assert found == pytest.approx(wanted, rel=2e-3)  # photon noise of 1e6
    assert ignored < 0.975 * wanted  # 2 % of stray light makes phase some 3.6 % too weak
