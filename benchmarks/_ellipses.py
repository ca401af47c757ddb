"""A slice of ellipses: its projections, averaged over detector pixels, and its area averages are known."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

_SUB_COLUMNS = 32
_FROM_EDGE = 3


@dataclass(frozen=True)
class Ellipse:
    """Centre, half axes (pixels), tilt (rad) and value per pixel."""

    x: float
    z: float
    a: float
    b: float
    tilt: float
    value: float

    def projection(self, theta: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Line integrals averaged over the pixels between ``edges``: a chord, integrated in closed form."""
        half = np.hypot(self.a * np.cos(theta - self.tilt), self.b * np.sin(theta - self.tilt))[:, None]
        centre = (self.x * np.cos(theta) + self.z * np.sin(theta))[:, None]
        u = np.clip((edges - centre) / half, -1, 1)
        return self.value * np.diff(self.a * self.b * (u * np.sqrt(1 - u * u) + np.arcsin(u)), axis=1)

    def covered(self, edges: np.ndarray) -> np.ndarray:
        """Part of each pixel (z, x) inside: exact along z, the mean of 32 lines along x."""
        n = edges.size - 1
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        square = (sin / self.a) ** 2 + (cos / self.b) ** 2
        covered = np.zeros((n, n))
        for sub in (np.arange(_SUB_COLUMNS) + 0.5) / _SUB_COLUMNS:
            x = edges[:-1] + sub - self.x
            linear = 2 * x * cos * sin * (self.a**-2 - self.b**-2)
            constant = x * x * ((cos / self.a) ** 2 + (sin / self.b) ** 2) - 1
            root = np.sqrt(np.maximum(linear**2 - 4 * square * constant, 0))
            low, high = ((-linear + sign * root) / (2 * square) + self.z for sign in (-1, 1))
            covered += np.diff(np.clip(edges[:, None], low, high), axis=0)
        return covered / _SUB_COLUMNS


@dataclass(frozen=True)
class Phantom:
    """A body that nearly fills the field, with seeded ellipses inside.

    Attributes
    ----------
    sinogram : float32 (n_angles, n)
    image : (n, n)
        Area averages.
    inside, edges, background : bool (n, n)
        At least 3 pixels from every edge and in the body; nearer; at least 3 pixels off and empty, within
        the circle of view.
    """

    sinogram: np.ndarray
    image: np.ndarray
    inside: np.ndarray
    edges: np.ndarray
    background: np.ndarray

    def errors(self, found: np.ndarray) -> str:
        """RMSE inside, at edges and in the background, in values of the body."""
        names = {"inside": self.inside, "edges": self.edges, "background": self.background}
        return ", ".join(
            f"{name} {np.sqrt(np.mean((found - self.image)[mask] ** 2)):.4f}" for name, mask in names.items()
        )


def phantom(n: int, theta: np.ndarray) -> Phantom:
    rng = np.random.default_rng(3)
    ellipses = [Ellipse(0, 0, 0.46 * n, 0.44 * n, 0.3, 1.0)]
    for _ in range(14):
        radius, angle, tilt = rng.uniform((0, 0, 0), (0.36 * n, 2 * np.pi, np.pi))
        a, b = rng.uniform(0.006, 0.07, 2) * n
        value = rng.choice([-0.4, 0.5, 1.0])
        ellipses.append(Ellipse(radius * np.cos(angle), radius * np.sin(angle), a, b, tilt, value))
    edges = np.arange(n + 1) - 0.5 * n
    sinogram = sum(ellipse.projection(theta, edges) for ellipse in ellipses).astype(np.float32)
    covered = [ellipse.covered(edges) for ellipse in ellipses]
    image = sum(ellipse.value * part for ellipse, part in zip(ellipses, covered, strict=True))
    cut = np.logical_or.reduce([(part > 1e-9) & (part < 1 - 1e-9) for part in covered])
    near = binary_dilation(cut, iterations=_FROM_EDGE)
    z, x = np.indices((n, n)) - 0.5 * (n - 1)
    empty = (np.abs(image) < 1e-6) & (np.hypot(x, z) < 0.5 * n - 2)
    return Phantom(sinogram, image, ~near & (covered[0] > 0), near, ~near & empty)
