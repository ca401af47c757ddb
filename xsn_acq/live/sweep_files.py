"""Files of an evaluated sweep: maps, spectra for PyMca, sums as JSON, a picture; lines for a person."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xsn_acq.analysis.nxsci.scores import pixel_limit_m
from xsn_acq.errors import StorageError
from xsn_acq.live.sweep import GrowingSweep
from xsn_acq.live.sweep_dependence import DependenceCurve, whole_curve
from xsn_acq.live.sweep_maps import USUAL, Solving, SweepMaps, make_maps
from xsn_acq.live.sweep_picture import draw_sweep
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.element_maps import write_element_maps
from xsn_acq.storage.frames import DATASET, path_of
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.json_file import as_json, write_json
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.spectra import DetectorFile, FittedLines, LinkedData, SpectraMeasurement, write_spectra
from xsn_acq.storage.sweep import FRAMES, SPECTRA
from xsn_acq.units import NM

SUMS_NAME, MAPS_NAME, PICTURE_NAME = "sums.json", "element_maps.h5", "element_maps.png"
UNIT = "counts/s"
"""Of a map: line counts for each second of live time, under light of the sweep's mean, from one pixel."""


@dataclass(frozen=True)
class EvaluatedSweep:
    """Files of an evaluated sweep, and lines for a person."""

    maps: Path
    spectra: Path
    picture: Path
    lines: tuple[str, ...]


def library_of(record: RunRecord, data: DataFolder) -> RunRecord | None:
    """Run whose sample-out images a run uses; None when it has its own.

    Raises
    ------
    StorageError
        It is not in the journal.
    """
    uid = record.start["params"].get("library")
    return RunRecord.from_journal(find_run(data.journal, uid).path) if uid else None


def evaluate_sweep(record: RunRecord, data: DataFolder, how: Solving = USUAL) -> EvaluatedSweep:
    """Make maps of a run from its frames and spectra, and write them.

    Raises
    ------
    ReconstructionError
        It is no structured-illumination run, was taken without the sample, or has too few good patterns.
    StorageError
        A file cannot be read or written.
    """
    with GrowingSweep(record, library_of(record, data)) as growing:
        growing.push(record.rows("points"))
        growing.settle(final=True)
        curve = whole_curve(growing.used, growing.sweep().patterns)
        return conclude_sweep(growing, make_maps(growing, final=True, how=how), curve, data)


def conclude_sweep(
    growing: GrowingSweep, found: SweepMaps, curve: DependenceCurve, data: DataFolder
) -> EvaluatedSweep:
    """Write everything."""
    record, folder = growing.record, data.results(growing.record.uid)
    title = f"{record.uid[:8]}: {record.start.get('note') or 'no note'}"
    maps = write_element_maps(
        folder / MAPS_NAME,
        dict(zip(found.elements, found.maps.values, strict=True)),
        pixel_size_m=growing.pixel_size_m,
        title=title,
        units=UNIT,
        errors=None if found.maps.sigma is None else dict(zip(found.elements, found.maps.sigma, strict=True)),
        transmission=found.guide.transmission,
        parameters={
            "patterns": len(found.sweep.patterns),
            "weight": found.maps.weight,
            "solver": found.solver,
        },
    )
    spectra = _write_spectra(growing, data.exports / f"{record.uid[:8]}-xrf.h5", title)
    picture = draw_sweep(folder / PICTURE_NAME, growing, found, curve, title=title)
    lines = (*_lines(growing, found), f"maps {maps}", f"spectra {spectra}", f"picture {picture}")
    content = {"lines": lines, **plain_sums(growing, found, curve)}
    write_json(folder / SUMS_NAME, content, "sums", indent=1)
    return EvaluatedSweep(maps, spectra, picture, lines)


def told(folder: Path) -> list[str]:
    """Lines for a person, of an evaluation whose results are in a folder.

    Raises
    ------
    StorageError
        There is none.
    """
    path = folder / SUMS_NAME
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["lines"])
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(f"sums {path}: cannot be read: {error}") from error


def _lines(growing: GrowingSweep, found: SweepMaps) -> list[str]:
    left_out = ", ".join(f"{reason} {count}" for reason, count in growing.exclusions().items())
    lines = [
        f"{len(found.sweep.patterns)} of {growing.patterns} patterns used; left out: {left_out or 'none'}",
        f"{len(found.particles.pixels)} particles",
    ]
    lines += [*growing.doubts(), *found.told]
    lost = [name for name in growing.regions if name not in found.names.values()]
    lines += [f"region {name}: holds no part of a particle, or lies outside the field" for name in lost]
    if growing.by_ring_current:
        lines.append(f"no beam monitor for {growing.by_ring_current} patterns: the ring current stands in")
    return [*lines, *_resolutions(growing, found)]


def _resolutions(growing: GrowingSweep, found: SweepMaps) -> list[str]:
    if found.resolution_m is None or found.txm_resolution_m is None:
        return []
    limit = f"pixel limit, {pixel_limit_m(growing.pixel_size_m) / NM:.0f} nm"
    *words, txm = (
        f"{value / NM:.0f} nm" if np.isfinite(value) else limit
        for value in (*found.resolution_m, found.txm_resolution_m)
    )
    lines = [
        f"{element}: resolution of map and TXM image together {word} (Fourier ring correlation at 1/7)"
        for element, word in zip(found.elements, words, strict=True)
    ]
    return [*lines, f"TXM image: resolution {txm}"]


def plain_sums(growing: GrowingSweep, found: SweepMaps, curve: DependenceCurve) -> dict[str, Any]:
    """What is in ``sums.json``."""
    regions = []
    for place, (number, name) in enumerate(sorted(found.names.items())):
        region: dict[str, Any] = {"name": name}
        if number < len(found.particles.pixels):
            centre = found.particles.centres[number]
            region |= {"row": float(centre[0]), "column": float(centre[1])}
        if found.sums is not None:
            region["sums"] = _by_element(found, found.sums.sums[:, place])
            region["errors"] = _by_element(found, found.sums.sigma[:, place])
        regions.append(region)
    return {
        "elements": list(found.elements),
        "unit": UNIT,
        "patterns": growing.patterns,
        "used": len(found.sweep.patterns),
        "solver": found.solver,
        "left_out": growing.exclusions(),
        "light_by_ring_current": growing.by_ring_current,
        "pixel_size_m": growing.pixel_size_m,
        **_resolution_values(growing, found),
        "correlations": as_json(found.correlations()),
        "pattern_shift_px": as_json(growing.pattern_shifts()),
        "sample_shift_px": as_json(growing.sample_shifts()),
        "references": _references(growing),
        "dependence": [[p.patterns, as_json(p.signed), as_json(p.absolute)] for p in curve.points],
        "regions": regions,
    }


def _references(growing: GrowingSweep) -> list[dict[str, Any]]:
    """Pattern, time, and shift from the first frame of it, pixels; None where that could not be told."""
    return [
        {"pattern": each.pattern, "time_s": each.time_s, "shift_px": each.shift}
        for each in growing.reference_shifts()
    ]


def _resolution_values(growing: GrowingSweep, found: SweepMaps) -> dict[str, Any]:
    """Of map and TXM image together, and of the image; null: the pixels are the limit, if one is given."""
    if found.resolution_m is None or found.txm_resolution_m is None:
        return dict.fromkeys(("resolution_m", "txm_resolution_m", "resolution_limit_m"))
    return {
        "resolution_m": _by_element(found, found.resolution_m),
        "txm_resolution_m": as_json(found.txm_resolution_m),
        "resolution_limit_m": pixel_limit_m(growing.pixel_size_m),
    }


def _by_element(found: SweepMaps, values: FloatArray) -> dict[str, float | None]:
    return dict(zip(found.elements, as_json(values), strict=True))


def _write_spectra(growing: GrowingSweep, path: Path, title: str) -> Path:
    """Spectra of all rows, by link; lines of the patterns worked on."""
    record, areas = growing.record, growing.areas()
    live, real = growing.all_times()
    frames, spectra = (path_of(record.streams[name].resources[0]) for name in (FRAMES, SPECTRA))
    scale, beamline = areas.model.scale, record.start["beamline"]
    detector = DetectorFile(LinkedData(spectra, DATASET, "entry/instrument/NDAttributes"), live, real)
    return write_spectra(
        path,
        [detector],
        SpectraMeasurement(
            title=title,
            sample_name=str(record.start.get("note") or "sample"),
            source_name=str(beamline["title"]),
            start_time_s=float(record.start["time"]),
            energy_ev=float(growing.start["energy_ev"]),
            zero_ev=scale.zero_ev,
            ev_per_bin=scale.ev_per_bin,
        ),
        patterns=[LinkedData(frames, DATASET)],
        lines=FittedLines(
            areas.elements,
            areas.areas,
            areas.sigma,
            growing.excluded,
            growing.numbers,
            growing.indices,
            {"noise_fwhm_ev": areas.model.response.noise_fwhm_ev, "kb_weight": areas.model.kb_weight},
        ),
    )
