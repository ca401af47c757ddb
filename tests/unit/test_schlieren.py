"""The wave model against Eq. 1 evaluated literally, finite differences, and free-space propagation."""

import array_api_strict
import numpy as np
import pytest
from schlieren_truth import (
    APERTURE_PER_M,
    HALF_WIDTH_PER_M,
    cracked_object,
    image_by_eq_1,
    sharp_object,
    smooth_knife_edge,
    stepped_exactly,
    stepped_modes,
    transmitted_exactly,
)
from scipy import ndimage

from xsn_acq.errors import ConfigError
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.mode_sum import mode_sum_intensity
from xsn_acq.optics.schlieren import ImageFormation, Schlieren, transfer_functions

PIXEL_M = 40e-9
NO_DISC = 1e12  # an aperture beyond every frequency of the grid


def optics(shape=(48, 64), *, cutoff=0.0, knife_edge=None, **more):
    return Schlieren(
        shape, more.pop("pixel", PIXEL_M), more.pop("aperture", APERTURE_PER_M), cutoff,
        knife_edge or smooth_knife_edge(), **more,
    )  # fmt: skip


@pytest.mark.parametrize("passes", ["positive", "negative"])
@pytest.mark.parametrize("bins", [-11.5, -3.5, 0.5, 4.5])
@pytest.mark.parametrize("columns", [64, 63])
@pytest.mark.parametrize("make", [sharp_object, cracked_object])
def test_the_fast_form_is_the_mode_sum(passes, bins, columns, make):
    modes, weights, knife_edge = stepped_modes(columns, PIXEL_M)
    cutoff = bins / (columns * PIXEL_M)
    sample = make((32, columns))
    wanted = image_by_eq_1(sample, modes, weights, pixel_m=PIXEL_M, cutoff_per_m=cutoff, passes=passes)
    setup = optics((32, columns), cutoff=cutoff, knife_edge=knife_edge, aperture=NO_DISC, passes=passes)
    found = ImageFormation(setup).intensity(sample)
    assert found.dtype == np.float32
    # float32 rounding through four FFTs is a few 1e-7; the bar is 1e-5 of the maximum
    assert np.abs(found - wanted).max() < 2e-6 * wanted.max()


def rim_error(groups, *, pixel=21e-9, bins=0.5, passes="positive", half_turn=False):
    """Largest error over the maximum with the disc shifted by so many groups (0: centred); pixels that show
    the rim of the pupil, whose edge goes through no bin."""
    modes, weights, _ = stepped_modes(96, pixel)
    cutoff = bins / (96 * pixel)
    sample = sharp_object((48, 96))
    setup = optics(
        sample.shape, pixel=pixel, cutoff=cutoff, knife_edge=stepped_exactly(modes, weights), passes=passes,
        rim_groups=modes.size if groups is None else groups,
    )  # fmt: skip
    where = {"pixel_m": pixel, "cutoff_per_m": cutoff, "passes": passes, "aperture_per_m": APERTURE_PER_M}
    if half_turn:
        wanted = image_by_eq_1(sample[:, ::-1], modes, weights, **where)[:, ::-1]
        found = ImageFormation(setup).pair(sample)[1]
    else:
        wanted = image_by_eq_1(sample, modes, weights, **where)
        found = ImageFormation(setup).intensity(sample)
    return np.abs(found - wanted).max() / wanted.max()


@pytest.mark.parametrize("passes", ["positive", "negative"])
@pytest.mark.parametrize("bins", [-7.5, 0.5, 3.5])
def test_a_group_for_each_mode_is_the_true_aperture(passes, bins):
    # the bar is 1e-5 of the maximum; float32 rounding leaves about 1e-6
    assert rim_error(None, bins=bins, passes=passes) < 3e-6


def test_the_true_aperture_half_a_turn_later():
    assert rim_error(None, bins=3.5, half_turn=True) < 3e-6  # as above


def test_few_groups_take_most_of_the_rims_error():
    # seen: 6e-2 with the disc centred, 4e-3 with four groups, 1.7e-3 with eight
    centred, four, eight = (rim_error(groups) for groups in (0, 4, 8))
    assert centred > 10 * four > 15 * eight


@pytest.mark.parametrize("rim_groups", [0, 5])
def test_another_array_library_gives_the_same_image(rim_groups):
    # array_api_strict has nothing beyond the standard, so what runs on it runs on a GPU library
    setup = optics(cutoff=0.6e6, rim_groups=rim_groups)
    sample = sharp_object(setup.shape).astype(np.complex64)
    strict = ImageFormation(setup, xp=array_api_strict)
    for wanted, found in zip(
        ImageFormation(setup).pair(sample), strict.pair(array_api_strict.asarray(sample)), strict=True
    ):
        np.testing.assert_allclose(strict.fourier.numpy(found), wanted, atol=3e-6)  # float32 rounding


def test_the_edge_band_may_fill_the_grid():
    # pixels so coarse that every frequency lies in the edge band: the correlation must wrap as the image does
    setup = optics((24, 32), pixel=200e-9, cutoff=0.3e6, double=True)
    sample = sharp_object((24, 32))
    wanted = mode_sum_intensity(sample, setup, defocus_m=0.0, wavelength_m=1.5e-10)
    # float64 rounding
    assert np.abs(ImageFormation(setup).intensity(sample) - wanted).max() < 1e-12


def test_a_centred_disc_is_good_enough_for_a_sphere():
    # in truth each mode sees the disc shifted; see the module's docstring for where the figures come from
    shape = (64, 96)
    modes, weights, knife_edge = stepped_modes(shape[1], PIXEL_M)
    cutoff = 0.5 / (shape[1] * PIXEL_M)
    y, x = np.indices(shape)
    chord = np.sqrt(np.maximum(0, 1 - ((x - 47.5) ** 2 + (y - 31.5) ** 2) / 25**2))
    sample = np.exp(-(0.125 + 1j) * 4 * chord)
    setup = optics(shape, cutoff=cutoff, knife_edge=knife_edge)
    wanted = image_by_eq_1(
        sample, modes, weights, pixel_m=PIXEL_M, cutoff_per_m=cutoff, aperture_per_m=APERTURE_PER_M
    )
    error = (ImageFormation(setup).intensity(sample) - wanted) / wanted.max()
    assert np.sqrt(np.mean(error**2)) < 2e-3
    scintillator = 72e-9 / 2.355 / PIXEL_M
    assert np.abs(ndimage.gaussian_filter(error, scintillator, mode="wrap")).max() < 1e-3


@pytest.mark.parametrize("passes", ["positive", "negative"])
def test_the_image_half_a_turn_later_is_the_flipped_objects(passes):
    setup = optics(cutoff=0.7e6, passes=passes)
    sample = sharp_object(setup.shape)
    form = ImageFormation(setup)
    first, second = form.pair(sample)
    np.testing.assert_array_equal(first, form.intensity(sample))
    # float32 rounding
    np.testing.assert_allclose(second[:, ::-1], form.intensity(sample[:, ::-1]), atol=3e-6)


@pytest.mark.parametrize("passes", ["positive", "negative"])
def test_air_has_the_background(passes):
    setup = optics(cutoff=1.1e6, passes=passes)
    share = float(transmitted_exactly(1.1e6))
    wanted = share if passes == "positive" else 1 - share
    # PCHIP between 201 points of the curve
    assert setup.background == pytest.approx(wanted, abs=1e-5)
    image = ImageFormation(setup).intensity(np.ones(setup.shape))
    np.testing.assert_allclose(image, wanted, atol=2e-5)


def test_a_stack_is_imaged_one_by_one():
    setup = optics()
    stack = np.stack([sharp_object(setup.shape, depth) for depth in (1, 2)])
    form = ImageFormation(setup)
    np.testing.assert_array_equal(form.intensity(stack)[1], form.intensity(stack[1]))
    with pytest.raises(ValueError, match="wanted"):
        form.intensity(stack[:, 1:])


@pytest.mark.parametrize("passes", ["positive", "negative"])
@pytest.mark.parametrize("bins", [-3.5, 0.5, 4.5])
@pytest.mark.parametrize("true_aperture", [False, True])
def test_transfer_functions_are_the_derivative(passes, bins, true_aperture):
    modes, weights, _ = stepped_modes(64, 21e-9)
    setup = optics(
        cutoff=bins / (64 * 21e-9), passes=passes, double=True, pixel=21e-9,
        knife_edge=stepped_exactly(modes, weights), rim_groups=modes.size if true_aperture else 0,
    )  # fmt: skip
    form = ImageFormation(setup)
    rng = np.random.default_rng(3)
    alpha, phi = rng.standard_normal((2, *setup.shape))
    small = 1e-5
    change = form.intensity(np.exp(small * (alpha + 1j * phi))) - form.intensity(
        np.exp(-small * (alpha + 1j * phi))
    )
    h_alpha, h_phi = transfer_functions(setup)
    linear = np.fft.ifft2(h_alpha * np.fft.fft2(alpha) + h_phi * np.fft.fft2(phi))
    # the cubic term of a central difference at 1e-5 is about 1e-10, rounding about 1e-11
    np.testing.assert_allclose(change / (2 * small), linear.real, atol=5e-9)
    assert np.abs(linear.imag).max() < 1e-12


@pytest.mark.parametrize("passes", ["positive", "negative"])
def test_the_flipped_image_holds_where_the_edge_band_fills_the_grid(passes):
    # the Nyquist bin is its own mirror and must stand at the other end of the mirrored band
    setup = optics((24, 32), pixel=200e-9, cutoff=0.3e6, double=True, passes=passes)
    sample = sharp_object(setup.shape)
    form = ImageFormation(setup)
    wanted = form.intensity(sample[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(form.pair(sample)[1], wanted, atol=1e-12)  # float64 rounding


def test_in_focus_the_mode_sum_is_the_fast_form():
    setup = optics(cutoff=-0.6e6)
    sample = sharp_object(setup.shape)
    plain = mode_sum_intensity(sample, setup, defocus_m=0.0, wavelength_m=1.5e-10)
    # float32 rounding
    np.testing.assert_allclose(plain, ImageFormation(setup).intensity(sample), atol=5e-6)


def test_coherent_defocus_is_fresnel_propagation():
    # one mode on the axis, cutoff out of the beam: a Gaussian out of focus, known in closed form
    wavelength, defocus, waist = 1.5e-10, 2e-3, 400e-9
    beam = KnifeEdge(np.array([-1.0, 1.0]), np.array([1.0, 0.0]))
    setup = optics((96, 96), cutoff=-1e9, knife_edge=beam, double=True)
    y, x = (np.indices(setup.shape) - 47.5) * PIXEL_M
    gaussian = np.exp(-(x**2 + y**2) / waist**2)
    found = mode_sum_intensity(gaussian, setup, defocus_m=defocus, wavelength_m=wavelength)
    spread = 1 + (wavelength * defocus / (np.pi * waist**2)) ** 2
    wanted = np.exp(-2 * (x**2 + y**2) / (waist**2 * spread)) / spread
    # the tails that wrap around the grid
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_tilted_mode_is_sheared_out_of_focus():
    # all light at one frequency: out of focus the image moves by lambda d k
    wavelength, defocus, tilt = 1.5e-10, 1e-3, 2e6
    beam = KnifeEdge(np.array([tilt - 1e3, tilt + 1e3]), np.array([1.0, 0.0]))
    setup = optics((32, 128), cutoff=-1e9, knife_edge=beam, double=True)
    x = (np.indices(setup.shape)[1] - 63.5) * PIXEL_M
    hump = np.exp(-(x**2) / 1e-6**2)
    found = mode_sum_intensity(hump, setup, defocus_m=defocus, wavelength_m=wavelength, n_modes=1)
    centre = (found * x).sum() / found.sum()
    # the hump's own spread shifts nothing; the mode is 1e-3 wide
    assert centre == pytest.approx(wavelength * defocus * tilt, rel=1e-3)
    assert found.sum() == pytest.approx((hump**2).sum(), rel=1e-9)  # defocus loses no light


def test_out_of_focus_flat_stays_flat():
    setup = optics(cutoff=0.4e6)
    image = mode_sum_intensity(np.ones(setup.shape), setup, defocus_m=1e-4, wavelength_m=1.5e-10)
    np.testing.assert_allclose(image, setup.background, rtol=1e-5)


@pytest.mark.parametrize(
    ("frequency", "transmitted", "fault"),
    [
        ([0.0], [1.0], "2 or more"),
        ([0.0, 0.0], [1.0, 0.0], "must rise"),
        ([0.0, 1.0, 2.0], [1.0, 1.1, 0.0], "must not rise"),
        ([0.0, 1.0], [0.9, 0.0], "from 1 to 0"),
        ([0.0, np.nan], [1.0, 0.0], "finite"),
    ],
)
def test_a_bad_knife_edge_is_refused(frequency, transmitted, fault):
    with pytest.raises(ConfigError, match=fault):
        KnifeEdge(np.array(frequency), np.array(transmitted))


def test_bad_optics_list_every_fault():
    with pytest.raises(ConfigError) as error:
        Schlieren((0, 8), -1.0, 1.0, 0.0, smooth_knife_edge(), "left")  # type: ignore[arg-type]
    assert len(error.value.faults) == 3


def test_beyond_its_ends_a_curve_is_1_and_0_exactly():
    # 50 modes: rounding at the first step of the curve once put all open frequencies into the edge band
    u = np.linspace(-1, 1, 50)
    weights = (1.1 - u**2) / (1.1 - u**2).sum()
    before = np.append(weights[::-1].cumsum()[::-1], 0.0)
    before[0] = 1.0
    steps = np.stack([before[:-1], before[1:]], axis=1).ravel()
    edge = KnifeEdge(np.stack([u - 2e-5, u + 2e-5], axis=1).ravel() * HALF_WIDTH_PER_M, steps)
    outside = np.array([-1e9, edge.frequency_per_m[0], edge.frequency_per_m[-1], 1e9])
    assert edge(outside).tolist() == [1.0, 1.0, 0.0, 0.0]
