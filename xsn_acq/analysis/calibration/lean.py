r"""How two images of opposite contrast are turned against each other, tile by tile.

The second image is -first(r - d(r)) with d = p1 (1, 0) + p2 (0, 1) + p3 (-2 y, 2 x), x and y from the image's
centre. Least squares on both images, with D_k the derivative along the k-th field:

.. math:: A_{kl} = -\sum D_k f \, D_l g, \qquad b_k = -\tfrac{1}{2} \sum (f D_k g - g D_k f), \qquad A p = b

The noise of the images is independent: the products hold none of it in the mean. Only what an edge does
across its direction counts, so a round outline tells nothing of a turn about its centre.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy import ndimage

from xsn_acq.analysis.least_squares import least_squares
from xsn_acq.optics.arrays import FloatArray

_DETAIL_PER_M = 4e6
_MARGIN = 0.06
"""Part of the image at each border that is left out: the filter takes it for periodic."""
_ROUNDS = 3
_SYSTEMATIC_PX = 0.05
"""Displacement that absorption and mixed depths feign: it sets a floor to the errors."""
_LEAST_SPREAD = 0.3
"""Of the pairs' directions, below which they are all one."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the tiles of a pair; first index: height, second: place across.

    Attributes
    ----------
    matrix : (n_y, n_x, 3, 3)
        A.
    force : (n_y, n_x, 3)
        b.
    x_density : (n_y, n_x)
        Sum of x times the density of what tells a displacement along y (which sums to A_22).
    """

    matrix: FloatArray
    force: FloatArray
    x_density: FloatArray


def detail_moments(
    first: FloatArray, second: FloatArray, pixel_size_m: float, tiles: tuple[int, int] = (8, 4)
) -> Moments:
    """Moments of two images (ny, nx) of opposite contrast, in pixels."""
    ny, nx = first.shape
    inner = tuple(slice(round(_MARGIN * n), n - round(_MARGIN * n)) for n in first.shape)
    y = (np.arange(ny) - 0.5 * (ny - 1))[inner[0], None]
    x = (np.arange(nx) - 0.5 * (nx - 1))[inner[1]]
    (f, f_y, f_x), (g, g_y, g_x) = (
        [part[inner] for part in _detail(image, pixel_size_m)] for image in (first, second)
    )
    along_f = (f_x, f_y, 2 * (x * f_y - y * f_x))
    along_g = (g_x, g_y, 2 * (x * g_y - y * g_x))
    rows, columns = (np.linspace(0, n, t + 1).astype(int)[:-1] for n, t in zip(f.shape, tiles, strict=True))

    def tile_sums(values: FloatArray) -> FloatArray:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0, dtype=float), columns, axis=1)

    matrix = np.empty((*tiles, 3, 3))
    for k in range(3):
        for m in range(3):
            matrix[..., k, m] = tile_sums(-0.5 * (along_f[k] * along_g[m] + along_f[m] * along_g[k]))
    force = np.stack([tile_sums(-0.5 * (f * along_g[k] - g * along_f[k])) for k in range(3)], axis=-1)
    return Moments(matrix, force, tile_sums(-x * f_y * g_y))


def _detail(image: FloatArray, pixel_size_m: float) -> list[FloatArray]:
    """Fine detail of the image, as the correlation of pairs weighs it; its derivatives along y and x."""
    ny, nx = image.shape
    v, u = scipy.fft.fftfreq(ny)[:, None], scipy.fft.rfftfreq(nx)
    k2 = (u * u + v * v) / (_DETAIL_PER_M * pixel_size_m) ** 2
    spectrum = scipy.fft.rfft2(image) * np.where(k2 < 1, k2, 0.0)
    factors = (1.0, 2j * np.pi * v, 2j * np.pi * u)
    return [scipy.fft.irfft2(spectrum * factor, image.shape) for factor in factors]


@dataclass(frozen=True, eq=False)
class Lean:
    """Lean of the rotation axis from several pairs.

    Attributes
    ----------
    angles : (2,)
        Roll and tilt, radians; tilt 0 where the directions of the pairs do not tell.
    sigma : (2,)
        Standard errors, from the scatter between tiles and what a false displacement of 0.05 px would do; inf
        for a tilt unknown.
    shift : (n_pairs, 2)
        Displacement (dx, dy) of each pair at the image's centre, pixels.
    drawn : (n_pairs,)
        By how much the lean displaces along x what a pair shows as a whole, against the middle row, pixels.
    """

    angles: FloatArray
    sigma: FloatArray
    shift: FloatArray
    drawn: FloatArray


def find_lean(
    images: list[tuple[FloatArray, FloatArray]], theta_deg: FloatArray, pixel_size_m: float
) -> Lean:
    """Roll and tilt common to all pairs; each pair is free to be displaced as a whole.

    Parameters
    ----------
    images : list of (first, second), real (ny, nx) each
        Without their background, axis at the centre column, the second flipped.
    theta_deg : (n_pairs,)
        Of the first images.
    pixel_size_m : float
    """
    roll, shift = 0.0, np.zeros((len(images), 2))
    for _ in range(_ROUNDS):  # small as it is, the tilt needs no second look
        moments = [
            detail_moments(first, moved_back(second, here, roll), pixel_size_m)
            for (first, second), here in zip(images, shift, strict=True)
        ]
        step = _fitted(moments, theta_deg)
        roll, shift = roll + float(step.angles[0]), shift + step.shift
    angles = np.array([roll, step.angles[1]])
    return Lean(angles, step.sigma, shift, step.drawn @ angles)


def moved_back(image: FloatArray, shift: FloatArray, roll: float) -> FloatArray:
    """The image read at r + d(r), with the d that a shift (dx, dy) and a roll in radians make."""
    if roll == 0 and not shift.any():
        return image
    y, x = (np.arange(n) - 0.5 * (n - 1) for n in image.shape)
    places = np.empty((2, *image.shape))
    places[0] = (np.arange(y.size) + shift[1])[:, None] + 2 * roll * x
    places[1] = np.arange(x.size) + shift[0] - 2 * roll * y[:, None]
    moved: FloatArray = ndimage.map_coordinates(image, places, order=3, mode="nearest")
    return moved


def _fitted(moments: list[Moments], theta_deg: FloatArray) -> Lean:
    """One linear step; `Lean.drawn` is (n_pairs, 2), for each radian of roll and of tilt."""
    depth = _depth(moments, theta_deg)
    known = 2 if np.any(depth) else 1
    systems = [_with_tilt(pair, deep) for pair, deep in zip(moments, depth, strict=True)]
    solved = [_without_shift(matrix, force, known) for matrix, force in systems]
    matrix_sum = np.sum([matrix.sum(axis=0) for matrix, _, _ in solved], axis=0)
    inverse = np.linalg.pinv(matrix_sum)
    angles, sigma = np.zeros(2), np.full(2, np.inf)
    angles[:known] = inverse @ np.sum([force.sum(axis=0) for _, force, _ in solved], axis=0)
    scores = np.concatenate([force - matrix @ angles[:known] for matrix, force, _ in solved])
    sigma[:known] = np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse))
    levers = np.sqrt(np.diag(matrix_sum) / np.sum([pair.matrix[..., 1, 1].sum() for pair in moments]))
    sigma[:known] = np.hypot(sigma[:known], _SYSTEMATIC_PX / levers)
    mixed = np.array([np.pad(mix, ((0, 0), (0, 2 - known))) for _, _, mix in solved])
    free = [np.linalg.pinv(m.sum(0)[:2, :2]) @ f.sum(0)[:2] for m, f in systems]
    return Lean(angles, sigma, np.array(free) - mixed @ angles, mixed[:, 0])


def _depth(moments: list[Moments], theta_deg: FloatArray) -> FloatArray:
    """Depth along the beam (n_pairs, n_y) of the detail at each height: 0 where the angles do not tell."""
    c, s = np.cos(np.deg2rad(theta_deg)), np.sin(np.deg2rad(theta_deg))
    circle = np.stack([c, s], axis=1)
    depth = np.zeros((len(moments), moments[0].x_density.shape[0]))
    if np.linalg.svd(circle, compute_uv=False)[-1] < _LEAST_SPREAD:
        return depth
    strength = np.maximum([pair.matrix[..., 1, 1].sum(axis=1) for pair in moments], 0.0)
    x = np.array([pair.x_density.sum(axis=1) for pair in moments])
    for height, weight in enumerate(strength.T):
        centre = np.divide(x[:, height], weight, out=np.zeros_like(weight), where=weight > 0)
        (a, b), _ = least_squares(circle, centre, weight)
        depth[:, height] = b * c - a * s
    return depth


def _with_tilt(pair: Moments, depth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A (n_tiles, 4, 4) and b (n_tiles, 4): the tilt displaces by twice the depth along y."""
    extend = np.zeros((depth.size, 1, 4, 3))
    extend[..., :3, :] = np.eye(3)
    extend[..., 3, 1] = 2 * depth[:, None]
    matrix = extend @ pair.matrix @ np.swapaxes(extend, -1, -2)
    force = (extend @ pair.force[..., None])[..., 0]
    return matrix.reshape(-1, 4, 4), force.reshape(-1, 4)


def _without_shift(
    matrix: FloatArray, force: FloatArray, known: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A and b of the angles alone, by tile, without the pair's own displacement; what they displace it by."""
    total, angles = matrix.sum(axis=0), slice(2, 2 + known)
    mixed = np.linalg.pinv(total[:2, :2]) @ total[:2, angles]
    alone = matrix[:, angles, angles] - mixed.T @ matrix[:, :2, angles]
    return alone, force[:, angles] - force[:, :2] @ mixed, mixed
