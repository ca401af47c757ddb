"""Whether light makes the elements of a sweep shine, and whether their lines are looked for."""

import re
from collections.abc import Iterable, Iterator

from xsn_acq.errors import ConfigError
from xsn_acq.optics.edges import edge_energy_ev
from xsn_acq.optics.fluorescence import LOWEST_FITTED_EV, k_lines

_SYMBOL = re.compile(r"[A-Z][a-z]?")


def element_faults(elements: Iterable[str], energy_ev: float) -> Iterator[str]:
    """What speaks against mapping these elements, in a line each.

    Parameters
    ----------
    elements : iterable of str
        Symbols.
    energy_ev : float
        Of the light, or the highest there is.

    Examples
    --------
    >>> list(element_faults(("Ni", "Zn"), 9000.0))
    ['elements: wanted a K edge below 9000 eV, found Zn, 9659 eV: it does not shine; leave it out']
    """
    for element in elements:
        found = _edge_and_line_ev(element)
        if found is None:
            yield f"elements: wanted symbols of elements with K lines, as Ni, found {element}; leave it out"
            continue
        edge_ev, line_ev = found
        if line_ev < LOWEST_FITTED_EV:
            yield (
                f"elements: wanted a K-alpha line above {LOWEST_FITTED_EV:g} eV, where the fit begins, "
                f"found {element}, {line_ev:g} eV; leave it out"
            )
        elif edge_ev >= energy_ev:
            yield (
                f"elements: wanted a K edge below {energy_ev:g} eV, found {element}, {edge_ev:g} eV: "
                "it does not shine; leave it out"
            )


def _edge_and_line_ev(element: str) -> tuple[float, float] | None:
    """K edge and K-alpha line; None where there is no such symbol, or it has none."""
    if not _SYMBOL.fullmatch(element):
        return None
    try:
        return edge_energy_ev(element, "K"), k_lines(element)[0].energy_ev
    except ConfigError:
        return None
