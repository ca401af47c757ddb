"""Spectra of regions: streamed in any order they are the means over the pixels."""

import numpy as np
import pytest

from xsn_acq.analysis.spectra import Region, RegionSpectra
from xsn_acq.errors import ReconstructionError

SHAPE = (12, 16)
BOX = Region("box", 3, 2, 5, 4)
MASK = Region("mask", mask=np.indices(SHAPE).sum(axis=0) < 9)


def images(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 0.02, (n, *SHAPE)), rng.uniform(1e-4, 9e-4, (n, *SHAPE))


def same(first, second):
    for region in first:
        for quantity, values in first[region].items():
            for name in ("energy_ev", "mean", "error"):
                # sums in another order
                np.testing.assert_allclose(
                    getattr(values, name), getattr(second[region][quantity], name), rtol=1e-12
                )


def test_means_and_errors_are_those_of_the_pixels():
    (image,), (variance,) = images(1)
    spectra = RegionSpectra([BOX, MASK])
    spectra.push(8333.0, {"beta": image, "delta": 2 * image}, variance={"beta": variance})
    found = spectra.value()
    box, masked = image[2:6, 3:8], image[MASK.mask]
    assert found["box"]["beta"].mean[0] == pytest.approx(box.mean(), rel=1e-12)
    assert found["box"]["beta"].error[0] == pytest.approx(np.sqrt(variance[2:6, 3:8].sum()) / 20, rel=1e-12)
    assert found["mask"]["delta"].mean[0] == pytest.approx(2 * masked.mean(), rel=1e-12)
    assert found["mask"]["delta"].error[0] == pytest.approx(
        2 * masked.std(ddof=1) / np.sqrt(masked.size), rel=1e-12
    )


@pytest.mark.parametrize("with_variance", [True, False])
def test_streamed_in_any_order_equals_batch(with_variance):
    stack, variance = images(6)
    energies = [8341.0, 8313.0, 8329.0, 8313.0, 8353.0, 8313.0]
    one, other = RegionSpectra([BOX, MASK]), RegionSpectra([MASK, BOX])
    for spectra, order in ((one, range(6)), (other, [5, 2, 0, 1, 4, 3])):
        for i in order:
            spectra.push(energies[i], stack[i], variance=variance[i] if with_variance else None)
    same(one.value(), other.value())
    found = one.value()["box"]["absorbance"]
    np.testing.assert_array_equal(found.energy_ev, [8313, 8329, 8341, 8353])
    boxes = stack[[1, 3, 5], 2:6, 3:8].mean(axis=(1, 2))
    weight = 400 / variance[[1, 3, 5], 2:6, 3:8].sum(axis=(1, 2)) if with_variance else np.ones(3)
    assert found.mean[0] == pytest.approx(np.average(boxes, weights=weight), rel=1e-12)
    if with_variance:
        assert found.error[0] == pytest.approx(weight.sum() ** -0.5, rel=1e-12)
    one.clear()
    assert one.value() == {"box": {}, "mask": {}}
    one.push(8313.0, stack[1])
    assert one.value()["mask"]["absorbance"].energy_ev.size == 1


def test_the_error_is_the_scatter_of_repeats():
    rng, spectra, means = np.random.default_rng(4), RegionSpectra([BOX]), []
    for i in range(300):
        image = rng.normal(0.3, 0.02, SHAPE)
        spectra.push(8000.0 + i, image, variance=np.full(SHAPE, 0.02**2))
        means.append(image[2:6, 3:8].mean())
    # 300 images know their scatter to 4 %
    assert np.std(means) == pytest.approx(spectra.value()["box"]["absorbance"].error[0], rel=0.12)


def test_bad_pixels_do_not_count():
    (image,), _ = images(1)
    image[2, 3] = np.nan
    spectra = RegionSpectra([BOX, Region("bad", 3, 2, 1, 1)])
    spectra.push(8333.0, image)
    assert spectra.value()["box"]["absorbance"].mean[0] == pytest.approx(np.nanmean(image[2:6, 3:8]))
    assert spectra.value()["bad"] == {}


@pytest.mark.parametrize(
    "region",
    [
        Region("r", 12, 0, 5, 4),
        Region("r", 0, 10, 5, 4),
        Region("r", -1, 0, 5, 4),
        Region("r", 0, 0, 0, 4),
        Region("r", mask=np.ones((3, 3), bool)),
        Region("r", mask=np.zeros(SHAPE, bool)),
    ],
)
def test_a_region_outside_the_image_is_refused_and_nothing_is_kept(region):
    spectra = RegionSpectra([BOX, region])
    with pytest.raises(ReconstructionError, match="region 'r': wanted"):
        spectra.push(8333.0, np.zeros(SHAPE))
    assert spectra.value() == {"box": {}, "r": {}}


def test_names_and_variances_must_be_consistent():
    with pytest.raises(ReconstructionError, match="different names"):
        RegionSpectra([BOX, BOX])
    spectra = RegionSpectra([BOX])
    spectra.push(8333.0, np.zeros(SHAPE))
    with pytest.raises(ReconstructionError, match="with every image or with none"):
        spectra.push(8337.0, np.zeros(SHAPE), variance=np.ones(SHAPE))
