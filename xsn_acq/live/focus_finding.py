"""Where the zone plate must be: at one energy, or a table over several with the way sideways."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xsn_acq.analysis.calibration.focal_rate import FocalRate, focal_rate
from xsn_acq.analysis.calibration.focus import FocusResult, best_focus
from xsn_acq.analysis.calibration.sideways import (
    InFocus,
    SidewaysRun,
    Track,
    View,
    same_part,
    sideways_run,
    tracks,
)
from xsn_acq.config import Beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.live import calibration_pictures as pictures
from xsn_acq.live.finding import SAME_ENERGY_EV, Finding, head, rounded
from xsn_acq.live.points import EnergyPart, RunPoints
from xsn_acq.live.scan import optical_axis
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.units import MM, UM

CENTRE_PX = 512
"""Focus is sought in so many pixels a side."""
_NEAREST = 5
"""Positions about the focus whose images are registered."""

Entry = dict[str, Any]
_SIDEWAYS = ("zone_plate_x_um", "zone_plate_y_um", "sideways_sigma_um")


@dataclass(frozen=True, eq=False)
class _Scan:
    """The scan at one energy: its points, the focus, the mean images nearest to it and their positions."""

    part: EnergyPart
    z_mm: FloatArray
    found: FocusResult
    near_mm: FloatArray
    images: FloatArray

    @property
    def energy_ev(self) -> float:
        return self.part.energy_ev


def focus(points: RunPoints) -> Finding:
    """Find the focus at each energy of a run, and with several the way sideways.

    Raises
    ------
    CalibrationError
        At some energy the sharpness has no peak: which, and what to do.
    """
    scans = [_scan(points, part) for part in points.parts()]
    if len(scans) == 1:
        return _at_one_energy(points, scans[0])
    file, detector_z = points.beamline, points.detector_z_mm
    along = _tracks(points, scans)
    if along is not None:
        scans = _followed(points, scans, along)
    sideways = None if along is None else _sideways(points, scans, along)
    entries = [_entry(points, scan) for scan in scans]
    if sideways is not None:
        for entry, place, sigma in zip(entries, sideways.place_um, sideways.sigma_um, strict=True):
            entry |= _place(place, sigma)
    rate = focal_rate(
        [scan.energy_ev for scan in scans],
        [_distance_m(file, scan.found.z_mm) for scan in scans],
        [scan.found.sigma_mm * MM for scan in scans],
        file.total_length_m(detector_z),
    )
    picture = pictures.focus_over_energy(
        [(scan.energy_ev, scan.z_mm, scan.found) for scan in scans],
        [file.nominal_zone_plate_z_mm(scan.energy_ev, detector_z) for scan in scans],
        sideways,
    )
    line = f"focus: {'; '.join(map(_said, entries))}; {_rate(file, rate)}, {_run(sideways)}"
    return Finding("focus", _merged(file, entries), line, picture)


def _at_one_energy(points: RunPoints, scan: _Scan) -> Finding:
    entry = _entry(points, scan)
    line = (
        f"focus: zone_plate_z {scan.found.z_mm:.4f} +- {scan.found.sigma_mm:.4f} mm at "
        f"{scan.energy_ev:.1f} eV, {1e3 * entry['offset_mm']:+.1f} um from theory"
    )
    return Finding("focus", _merged(points.beamline, [entry]), line, pictures.focus(scan.found, scan.z_mm))


def _scan(points: RunPoints, part: EnergyPart) -> _Scan:
    """Focus of one energy from the middle of its frames."""
    z_mm, frames = part.column("zone_plate_z_mm"), points.frames_over_flat(part, _centre(points))
    try:
        found = best_focus(z_mm, frames)
    except CalibrationError as error:
        raise CalibrationError(f"{part.energy_ev:.1f} eV: {error}") from error
    near = np.sort(np.argsort(np.abs(z_mm - found.z_mm))[:_NEAREST])
    return _Scan(part, z_mm, found, z_mm[near], frames[near].mean(axis=1))


def _tracks(points: RunPoints, scans: Sequence[_Scan]) -> tuple[Track, ...] | None:
    """How the sample moves in the images; None where they are not alike."""
    views = [View(scan.near_mm, scan.images, scan.found.z_mm, _in_focus(points, scan)[1]) for scan in scans]
    rows, columns = _centre(points)
    top, left = optical_axis(points.run.start)
    return tracks(views, (top - rows.start, left - columns.start))


def _followed(points: RunPoints, scans: Sequence[_Scan], along: Sequence[Track]) -> list[_Scan]:
    """The same with the focus from one part of the sample at all energies: each part pulls it elsewhere.

    Where that part is too small, or does not show the focus, they stay as they are.
    """
    # far from the focus nothing is sharp, and the part need not follow
    places = [np.clip(scan.z_mm, scan.near_mm.min(), scan.near_mm.max()) for scan in scans]
    shifts = [track.shift_px(z_mm) for track, z_mm in zip(along, places, strict=True)]
    parts = same_part(scans[0].images.shape[1:], np.concatenate(shifts))
    if parts is None:
        return list(scans)
    rest, found = iter(parts), []
    for scan in scans:
        frames = points.frames_over_flat(scan.part, _centre(points))
        shown = np.stack([group[(slice(None), *next(rest))] for group in frames])
        try:
            found.append(replace(scan, found=best_focus(scan.z_mm, shown)))
        except CalibrationError:
            return list(scans)
    return found


def _sideways(points: RunPoints, scans: Sequence[_Scan], along: Sequence[Track]) -> SidewaysRun:
    focus_at = [_in_focus(points, scan) for scan in scans]
    return sideways_run(along, [at for at, _ in focus_at], focus_at[0][1])


def _in_focus(points: RunPoints, scan: _Scan) -> tuple[InFocus, float]:
    """The zone plate in focus, and the pixel at the sample there: by the distance found, not by theory's."""
    file, detector_z = points.beamline, points.detector_z_mm
    distance = _distance_m(file, scan.found.z_mm)
    magnification = (file.total_length_m(detector_z) - distance) / distance
    nominal_pixel = file.pixel_size_m(scan.energy_ev, points.binning, detector_z)
    pixel = nominal_pixel * file.magnification(scan.energy_ev, detector_z) / magnification
    x, y = (float(scan.part.column(f"zone_plate_{axis}_um").mean()) for axis in "xy")
    return InFocus(scan.found.z_mm, scan.found.sigma_mm, (x, y), magnification), pixel


def _distance_m(file: Beamline, zone_plate_z_mm: float) -> float:
    """Sample to zone plate at a reading."""
    return (zone_plate_z_mm - file.zone_plate.z_at_contact_mm) * MM


def _entry(points: RunPoints, scan: _Scan) -> Entry:
    offset = scan.found.z_mm - points.beamline.nominal_zone_plate_z_mm(scan.energy_ev, points.detector_z_mm)
    return {
        **head(points, scan.energy_ev),
        "offset_mm": rounded(offset),
        "sigma_mm": rounded(scan.found.sigma_mm),
    }


def _place(place_um: FloatArray, sigma_um: float) -> Entry:
    x, y = (rounded(value) for value in place_um)
    return {"zone_plate_x_um": x, "zone_plate_y_um": y, "sideways_sigma_um": rounded(sigma_um)}


def _merged(file: Beamline, entries: Sequence[Entry]) -> list[Entry]:
    """New entries with the table's at other energies; what they do not tell of one they replace stays.

    Readings sideways belong together: where the new run has its own, those of earlier runs go.
    """
    kept = []
    anew = any("zone_plate_x_um" in entry for entry in entries)
    for before in (entry.model_dump() for entry in file.calibration.focus):
        if anew:
            before |= dict.fromkeys(_SIDEWAYS)
        same = [new for new in entries if abs(before["energy_ev"] - new["energy_ev"]) <= SAME_ENERGY_EV]
        for new in same:
            new |= {name: value for name, value in before.items() if name not in new}
        if not same:
            kept.append(before)
    return sorted([*kept, *entries], key=lambda item: float(item["energy_ev"]))


def _said(entry: Entry) -> str:
    return (
        f"{entry['energy_ev']:.1f} eV: {1e3 * entry['offset_mm']:+.1f} +- {1e3 * entry['sigma_mm']:.1f} um "
        "from theory"
    )


def _rate(file: Beamline, rate: FocalRate) -> str:
    own = file.zone_plate.focal_length_m(1.0)  # proportional to the energy
    return (
        f"focal length grows by {rate.m_per_ev / UM:.2f} +- {rate.sigma_m_per_ev / UM:.2f} um/eV (zone "
        f"plate's own: {own / UM:.2f})"
    )


def _run(sideways: SidewaysRun | None) -> str:
    if sideways is None:
        return "sideways unknown: images of two energies are not alike, take a wider field or more frames"
    x, y = sideways.um_per_mm
    return f"sideways {x:.2f} um/mm in x, {y:.2f} um/mm in y"


def _centre(points: RunPoints) -> tuple[slice, slice]:
    """Middle of the frames, to `CENTRE_PX` pixels a side: whole sensors would fill the memory."""
    top, left = (max(0, (int(size) - CENTRE_PX) // 2) for size in points.dark.shape)
    return slice(top, top + CENTRE_PX), slice(left, left + CENTRE_PX)
