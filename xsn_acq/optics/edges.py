"""Absorption edges, from the tables of Elam (xraydb)."""

from functools import lru_cache

from xsn_acq.errors import ConfigError

_HEAVIEST = 92


@lru_cache(maxsize=512)
def edge_energy_ev(element: str, edge: str) -> float:
    """Tabulated energy of an absorption edge (Elam, Ravel and Sieber, by xraydb), electronvolts.

    Parameters
    ----------
    element : str
        Chemical symbol.
    edge : str
        "K", "L1", ...

    Raises
    ------
    ConfigError
        There is no such edge.

    Examples
    --------
    >>> edge_energy_ev("Ni", "K")
    8333.0
    """
    import xraydb

    try:
        found = xraydb.xray_edge(element, edge)
    except (ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"element {element}", ["wanted the symbol of an element, as Ni"]) from error
    if found is None:
        raise ConfigError(f"element {element}", [f"wanted an absorption edge, as K, found {edge}"])
    return float(found.energy)


@lru_cache(maxsize=256)
def k_edge_between(low_ev: float, high_ev: float) -> tuple[str, float] | None:
    """Element and energy of the K edge between two energies; None where there is none, or several are.

    >>> k_edge_between(8313.0, 8353.0)
    ('Ni', 8333.0)
    >>> k_edge_between(7000.0, 9000.0) is None
    True
    """
    import xraydb

    symbols = [str(xraydb.atomic_symbol(z)) for z in range(3, _HEAVIEST + 1)]
    found = [(symbol, edge_energy_ev(symbol, "K")) for symbol in symbols]
    inside = [(symbol, energy) for symbol, energy in found if low_ev < energy < high_ev]
    return inside[0] if len(inside) == 1 else None
