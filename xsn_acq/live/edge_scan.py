"""An energy scan over a tabulated absorption edge: its spectrum, and what the Bragg angle's reading lacks."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from xsn_acq.analysis.absorbance import absorbance
from xsn_acq.analysis.xanes import inflection
from xsn_acq.config import Beamline
from xsn_acq.config.energy import bragg_deg
from xsn_acq.errors import CalibrationError, ReconstructionError
from xsn_acq.live.findings import Finding
from xsn_acq.live.points import RunPoints
from xsn_acq.live.source_pictures import edge_spectrum
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.edges import edge_energy_ev
from xsn_acq.optics.monochromator import bragg_angle_deg
from xsn_acq.storage.run import Row, RunRecord

BLOCK_PX = 8
"""Light is pooled over so many pixels a side before its logarithm is taken: noise would shift it."""
_LIT = 0.2
"""Blocks with less than this fraction of the brightest one's light do not count."""


def mono_offset(run: RunRecord) -> Finding:
    """Compare the edge as seen with the tabulated one.

    Raises
    ------
    CalibrationError
        The run did not come to its end, or shows no edge.
    ConfigError
        It was taken with a beamline file of another version.
    StorageError
        A file is missing or shorter than announced.
    """
    with RunPoints(run) as points:
        file, element, edge = points.beamline, points.params["element"], points.params["edge"]
        energy, mu = spectrum(points)
    try:
        seen = inflection(energy, mu)
    except ReconstructionError as error:
        raise CalibrationError(f"run {run.uid[:8]}: {element} {edge}: {error}") from error
    tabulated = edge_energy_ev(element, edge)
    offset, sigma = offset_deg(file, tabulated, seen.energy_ev, seen.sigma_ev)
    section = {
        "date": datetime.fromtimestamp(run.start["time"], UTC).date(),
        "energy_ev": tabulated,
        "run": run.uid,
        "element": element,
        "bragg_offset_deg": round(offset, 6),
        "sigma_deg": round(sigma, 7),
    }
    line = (
        f"mono: edge of {element} {edge} at {seen.energy_ev:.2f} +- {seen.sigma_ev:.2f} eV, tabulated "
        f"{tabulated:.1f} eV: bragg_offset_deg {offset:+.5f} +- {sigma:.5f}"
    )
    return Finding("mono", section, line, edge_spectrum(energy, mu, seen, tabulated))


def offset_deg(file: Beamline, tabulated_ev: float, seen_ev: float, sigma_ev: float) -> tuple[float, float]:
    """Return the true Bragg angle less its reading, and its standard error.

    Parameters
    ----------
    file : Beamline
        With which the scan was made: its energies have the offset that it already knows.
    tabulated_ev : float
        Energy of the edge.
    seen_ev, sigma_ev : float
        Where the scan believed it to be, and its standard error.
    """
    true = bragg_angle_deg(tabulated_ev, file.monochromator.d_spacing_angstrom)
    per_ev = math.degrees(math.tan(math.radians(true))) / tabulated_ev
    return true - bragg_deg(file, seen_ev), sigma_ev * per_ev


def spectrum(points: RunPoints) -> tuple[FloatArray, FloatArray]:
    """Energies of an energy scan, rising, and the mean absorbance at each, (n,) both.

    Of the regions of the run's parameters, or of the middle half of the frame.

    Raises
    ------
    CalibrationError
        There are no flats or no images, or a region is outside the frame.
    """
    regions = _regions(points)
    light = points.each(lambda frames: _blocks(frames.mean(axis=0), regions))
    monitor = points.column("light")
    if (monitor > 0).all():
        light = light / monitor[:, None]
    of = {
        kind: [n for n, row in enumerate(points.rows) if row["kind"] == kind]
        for kind in ("flat", "projection")
    }
    if not of["flat"] or not of["projection"]:
        raise CalibrationError(f"run {points.run.uid[:8]}: wanted flats and images, found only one of them")
    flats = [points.rows[n] for n in of["flat"]]
    mu = [
        _mean_absorbance(light[n], flat_between(points.rows[n], flats, light[of["flat"]]))
        for n in of["projection"]
    ]
    return _by_energy([points.rows[n] for n in of["projection"]], mu)


def flat_between(row: Row, flats: Sequence[Row], light: FloatArray) -> FloatArray:
    """Light without sample at a row's energy: of its own flats, else between those on both sides.

    Parameters
    ----------
    row : dict
        Of an image.
    flats : sequence of dict
        Rows of all flats.
    light : (n_flats, ...)
        Theirs. Of several flats at one energy that nearest in time counts.
    """
    energy = float(row["wanted_ev"])
    known = np.unique([float(flat["wanted_ev"]) for flat in flats])
    low, high = known[known <= energy], known[known >= energy]
    ends = [side for side in (low[-1:], high[:1]) if side.size]
    found = [light[_nearest(row, flats, float(end[0]))] for end in ends]
    if len(found) == 1 or ends[0][0] == ends[1][0]:
        return found[0]
    part = (energy - ends[0][0]) / (ends[1][0] - ends[0][0])
    return np.asarray((1 - part) * found[0] + part * found[1])


def _nearest(row: Row, flats: Sequence[Row], energy_ev: float) -> int:
    """Number of the flats at an energy that were taken nearest in time."""
    at = [n for n, flat in enumerate(flats) if flat["wanted_ev"] == energy_ev]
    return min(at, key=lambda n: abs(flats[n]["ended"] - row["ended"]))


def _by_energy(rows: Sequence[Row], mu: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Energy as read and mean absorbance at each energy asked for; one may be visited several times."""
    wanted = np.asarray([row["wanted_ev"] for row in rows], float)
    energy, values = np.asarray([row["energy_ev"] for row in rows], float), np.asarray(mu)
    each = [wanted == one for one in np.unique(wanted)]
    return np.array([energy[here].mean() for here in each]), np.array([values[here].mean() for here in each])


def _regions(points: RunPoints) -> list[tuple[slice, slice]]:
    """Rows and columns that count."""
    ny, nx = points.dark.shape
    given = points.params["regions"] or {"middle": (nx // 4, ny // 4, max(1, nx // 2), max(1, ny // 2))}
    found = []
    for name, (column, row, columns, rows) in given.items():
        if not (0 <= column < column + columns <= nx and 0 <= row < row + rows <= ny):
            raise CalibrationError(
                f"run {points.run.uid[:8]}: region {name}: wanted it in {nx} x {ny} pixels, found columns "
                f"{column} to {column + columns}, rows {row} to {row + rows}"
            )
        found.append((slice(row, row + rows), slice(column, column + columns)))
    return found


def _blocks(image: FloatArray, regions: Sequence[tuple[slice, slice]]) -> FloatArray:
    """Means over blocks of `BLOCK_PX` pixels a side, (n,) of all regions; what is left over counts not."""
    found = []
    for rows, columns in regions:
        part = image[rows, columns]
        by, bx = (min(BLOCK_PX, size) for size in part.shape)
        ny, nx = part.shape[0] // by, part.shape[1] // bx
        blocks = part[: ny * by, : nx * bx].reshape(ny, by, nx, bx)
        found.append(blocks.mean(axis=(1, 3), dtype=np.float64).ravel())
    return np.concatenate(found)


def _mean_absorbance(light: FloatArray, flat: FloatArray) -> float:
    lit = flat > _LIT * flat.max()
    if not lit.any():
        raise CalibrationError("edge: wanted light in the flats, found none; was the shutter open?")
    return float(absorbance(light[lit] / flat[lit]).mean(dtype=np.float64))
