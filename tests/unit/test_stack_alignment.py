"""Images of a stack on one pixel size and in one place, against particles drawn there."""

import numpy as np
import pytest
from particle_images import SHAPE, particle, seen

from xsn_acq.analysis.energy_stack import StackAligner, to_pixel_size
from xsn_acq.analysis.matching import match
from xsn_acq.analysis.shift import shift_image
from xsn_acq.errors import ReconstructionError

PIXEL_M = 80e-9
CONTRASTS = [(0.12, 0.02), (0.24, 0.1), (0.37, 0.15), (0.5, 0.3)]
"""Pre-edge, on the rise, above the edge, on the white line where half of the grains are richer."""


@pytest.mark.parametrize("scale", [0.97, 1.004, 1.03])
@pytest.mark.parametrize("centre", [None, (40.0, 90.5)])
def test_a_magnified_image_comes_to_the_wanted_pixel_size(scale, centre):
    image = particle(scale=scale, about=centre, grains=0.1)
    found = to_pixel_size(image, PIXEL_M / scale, PIXEL_M, centre=centre)
    wanted = particle(grains=0.1)
    assert found.dtype == np.float32
    inner = np.s_[8:-8, 8:-8]  # beyond the border the image does not reach
    # cubic splines on detail of 1.2 pixels' sigma
    np.testing.assert_allclose(found[inner], wanted[inner], atol=4e-3)
    assert found[inner].mean() == pytest.approx(wanted[inner].mean(), rel=1e-3)
    assert np.abs(match(wanted, found).shift).max() < 0.01  # the task's 0.02


def test_an_image_of_the_wanted_size_stays_as_it_is():
    image = particle().astype(np.float32)
    np.testing.assert_array_equal(to_pixel_size(image, PIXEL_M, PIXEL_M), image)


@pytest.mark.parametrize(("size_m", "shape"), [(2 * PIXEL_M, SHAPE), (0.0, SHAPE), (PIXEL_M, (3, *SHAPE))])
def test_other_sizes_are_refused(size_m, shape):
    with pytest.raises(ReconstructionError, match="within 20% of each other"):
        to_pixel_size(np.zeros(shape), size_m, PIXEL_M)


def pushed(photons):
    """Errors (8, 2) of the shifts of images of all contrasts, each with a reference of its own."""
    rng, off, sigma = np.random.default_rng(2), [], []
    for i, (host, grains) in enumerate(2 * CONTRASTS):
        shift = rng.uniform(-4, 4, 2)
        aligner = StackAligner(seen(particle(grains=0.02), photons, 2 * i))
        found = aligner.push(seen(particle(shift, host=host, grains=grains), photons, 2 * i + 1))
        off.append(np.array(found.shift_px) + shift)
        sigma.append(found.sigma_px)
    return np.array(off), np.array(sigma)


# 5000 photons: the task's figure. 1000 photons: a rim 195 pixels long of absorbance 0.12 on both sides has a
# Cramer-Rao bound of 0.08 pixel, and 16 numbers know their scatter to 18 %
@pytest.mark.parametrize(("photons", "most_px"), [(1000, 0.12), (5000, 0.05)])
def test_shifts_while_the_contrast_changes(photons, most_px):
    off, sigma = pushed(photons)
    scatter = np.sqrt(np.mean(off**2))
    assert scatter < most_px
    assert scatter == pytest.approx(np.sqrt(np.mean(sigma**2)), rel=0.5)  # 18 %, and contrast that differs


def test_without_noise_the_aligned_image_lies_on_the_reference():
    aligner = StackAligner(particle(grains=0.1))
    found = aligner.push(3 * particle((2.3, -13.6), grains=0.1))
    np.testing.assert_allclose(found.shift_px, (-2.3, 13.6), atol=0.01)
    # a hundredth of a pixel on a rim that rises by 0.04 a pixel, times 3
    np.testing.assert_allclose(found.image, 3 * particle(grains=0.1), atol=4e-3)


@pytest.mark.parametrize(
    "image",
    [
        seen(np.zeros(SHAPE), 1000, 7),
        seen(np.zeros(SHAPE), 1000, 7) + np.linspace(-0.1, 0.1, SHAPE[1]) ** 2 * 10,
        np.zeros(SHAPE),
        np.full(SHAPE, 0.3),
        seen(particle((0.0, 30.0), host=0.3), 5000, 8),
    ],
    ids=["noise", "drift", "zero", "even", "far"],
)
def test_an_unknown_shift_is_said_and_the_image_stays(image):
    aligner = StackAligner(seen(particle(), 1000, 1), most_shift_px=20.0)
    found = aligner.push(image)
    assert np.isnan([*found.shift_px, *found.sigma_px]).all()
    np.testing.assert_array_equal(found.image, image.astype(np.float32))


def test_noise_alone_is_never_believed():
    believed = [
        StackAligner(seen(particle(), 1000, i)).push(seen(np.zeros(SHAPE), 1000, 100 + i)) for i in range(6)
    ]
    assert np.isnan([each.shift_px for each in believed]).all()


def test_streamed_equals_batch():
    images = [seen(particle((i, -i), host=0.3), 5000, i) for i in range(3)]
    aligner = StackAligner(images[0])
    one = [aligner.push(image) for image in images]
    shifts, errors = aligner.value()
    np.testing.assert_array_equal(shifts, [each.shift_px for each in one])
    np.testing.assert_array_equal(errors, [each.sigma_px for each in one])
    aligner.clear()
    assert aligner.value()[0].shape == (0, 2)
    again = aligner.push(images[2])
    np.testing.assert_array_equal(again.image, one[2].image)  # what came before changes nothing
    np.testing.assert_array_equal(shift_image(images[2], *again.shift_px), again.image)


def test_images_that_are_none_are_refused():
    with pytest.raises(ReconstructionError, match="not finite"):
        StackAligner(np.full(SHAPE, np.nan))
    with pytest.raises(ReconstructionError, match="wanted finite images of"):
        StackAligner(particle()).push(np.zeros((5, 5)))
