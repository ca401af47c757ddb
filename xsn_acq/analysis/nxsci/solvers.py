"""The solvers by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.problem import Solver
from xsn_acq.analysis.nxsci.pseudo_inverse import PseudoInverseSolver
from xsn_acq.analysis.nxsci.siren import SirenSolver
from xsn_acq.analysis.nxsci.total_variation import TotalVariationSolver
from xsn_acq.analysis.nxsci.txm_gradient import TxmGradientSolver

DEFAULT = "guided"
SOLVERS: Mapping[str, Callable[[], Solver]] = MappingProxyType(
    {
        DEFAULT: GuidedSolver,
        "total_variation": TotalVariationSolver,
        "txm_gradient": TxmGradientSolver,
        "pseudo_inverse": PseudoInverseSolver,
        "siren": SirenSolver,
    }
)
