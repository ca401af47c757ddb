"""The paper's generative model: a network of sines from a pixel's place to its value, trained on one sweep.

min over its parameters: mean (A f - y)^2 + weight mean |grad f - grad I|. Li et al., PNAS 120, e2314542120
(2023), with the constants of its published code. Needs PyTorch; runs on a GPU where there is one.
"""

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from xsn_acq.analysis.nxsci.forward import Whitened, misfit, whiten
from xsn_acq.analysis.nxsci.problem import Guide, Maps, Sweep, check_fit
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray


@dataclass(frozen=True)
class SirenSolver:
    """Sinusoidal representation network, Sitzmann et al., NeurIPS 33, 7462 (2020).

    The constants are those of the paper's code. On a CPU that takes days: with ``width`` 64,
    ``hidden_layers`` 3, ``iterations`` 2000 and ``learning_rate`` 1e-3 it takes minutes and gives less.

    Attributes
    ----------
    width, hidden_layers : int
        Units of a layer; layers between the first and the last.
    omega : float
        Frequency of the sines.
    learning_rate : float
        Of Adam.
    iterations : int
    weight : float
        Of the gradient term, both terms being means. Of each element the maps are in units that make the
        counts' mean 1, and the TXM image in those that make its share of them 1.
    seed : int
    """

    width: int = 1024
    hidden_layers: int = 5
    omega: float = 30.0
    learning_rate: float = 5e-6
    iterations: int = 20_000
    weight: float = 1e-3
    seed: int = 0

    def solve(self, sweep: Sweep, guide: Guide, *, start: Maps | None = None) -> Maps:
        """Find the maps, see `problem.Solver`; a network begins anew, so the start is not looked at.

        Raises
        ------
        ReconstructionError
            PyTorch is not installed; or see `problem.Solver`.
        """
        check_fit(sweep, guide, start)
        torch = _torch()
        light = whiten(sweep)
        absorbance = guide.smooth
        unit = np.abs(light.data / light.row_weight).mean(axis=1) / light.pixels
        expected = light.spread(absorbance.ravel()) / unit[:, None]
        trained = _train(torch, self, light, unit, expected.reshape(-1, *sweep.shape))
        values = light.maps(trained.reshape(len(unit), -1) * unit[:, None])
        return Maps(values, self.weight, self.iterations, misfit(sweep, values))


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise ReconstructionError(
            "siren: wanted PyTorch, found none; install it (pip install torch), or take another solver"
        ) from None


def _train(
    torch: Any, settings: SirenSolver, light: Whitened, unit: FloatArray, expected: FloatArray
) -> FloatArray:
    """Maps (E, ny, nx) in units of ``unit``, all elements from one network, one output each."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ny, nx = expected.shape[1:]
    torch.manual_seed(settings.seed)
    network = _network(torch, settings, len(expected)).to(device)
    rows, columns = torch.linspace(-1, 1, ny), torch.linspace(-1, 1, nx)
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2).to(device)
    matrix = np.concatenate([light.rows(part) for part in light.blocks()]) / light.pixels
    patterns = torch.as_tensor(matrix, dtype=torch.float32, device=device)
    data = light.data / (unit[:, None] * light.pixels)
    counts, like = (torch.as_tensor(each, dtype=torch.float32, device=device) for each in (data, expected))
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    for _ in range(settings.iterations):
        optimiser.zero_grad()
        maps = network(places).T
        edges = maps.reshape(like.shape) - like
        loss = torch.mean((maps @ patterns.T - counts) ** 2) + settings.weight * (
            torch.mean(torch.abs(torch.diff(edges, dim=1))) + torch.mean(torch.abs(torch.diff(edges, dim=2)))
        )
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        found = network(places).T.reshape(like.shape)
    return np.asarray(found.cpu().numpy(), dtype=float)


def _network(torch: Any, settings: SirenSolver, outputs: int) -> Any:
    """2 - width - hidden_layers x width - outputs, drawn so that every layer's sines are in their range."""

    class Sines(torch.nn.Module):
        """sin(omega (W x + b))."""

        def __init__(self, inputs: int, first: bool) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(inputs, settings.width)
            reach = 1 / inputs if first else math.sqrt(6 / inputs) / settings.omega
            torch.nn.init.uniform_(self.linear.weight, -reach, reach)

        def forward(self, x: Any) -> Any:
            return torch.sin(settings.omega * self.linear(x))

    last = torch.nn.Linear(settings.width, outputs)
    reach = math.sqrt(6 / settings.width) / settings.omega
    torch.nn.init.uniform_(last.weight, -reach, reach)
    hidden = [Sines(settings.width, False) for _ in range(settings.hidden_layers)]
    return torch.nn.Sequential(Sines(2, True), *hidden, last)
