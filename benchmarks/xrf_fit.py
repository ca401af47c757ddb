"""Line areas of 1000 fluorescence spectra: ours against PyMca's FastXRFLinearFit, and against its full fit.

The spectra are the simulator's: manganese, cobalt and nickel oxide with traces of iron and copper, at dead
times up to 30 %. Both get the energy scale that ours finds. PyMca is looked for in this interpreter, then in
the one that XSN_BENCH_PYMCA_PYTHON names; else it is left out.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from xsn_acq.analysis.xrf.areas import Limits, line_areas
from xsn_acq.analysis.xrf.model import EnergyScale, SpectrumModel
from xsn_acq.analysis.xrf.refining import refined
from xsn_acq.config import load_microscope
from xsn_acq.optics.silicon_drift import Response
from xsn_acq.sim.fluorescence import FluorescenceTruth, Sample, fluorescence
from xsn_acq.sim.spectrometer import Electronics, counted

SPECTRA, FULL_FITS, REPEATS, SIZE = 1000, 20, 3, 32
EXPOSURE_S, RATE = 0.5, 6e5
ENERGY_EV = 9000.0
ELEMENTS = ("Mn", "Fe", "Co", "Ni", "Cu")
JUDGED = ("Mn", "Co", "Ni")
PYMCA_PYTHON = "XSN_BENCH_PYMCA_PYTHON"


def run() -> dict:
    vortex = load_microscope("ssrl-6-2c").vortex
    spectra, scalers, truth = _measured(vortex)
    start = SpectrumModel(
        ELEMENTS,
        ENERGY_EV,
        EnergyScale(vortex.zero_ev, vortex.ev_per_bin),
        Response(vortex.noise_fwhm_ev, tail_share=0.01, shelf_share=0.003),
    )
    began = time.perf_counter()
    model = refined(start, spectra.sum(axis=0))
    refining_s = time.perf_counter() - began
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = line_areas(spectra, scalers, model, Limits(vortex.dead_time_s))
        seconds.append(time.perf_counter() - began)
    theirs = _pymca(spectra, model)
    value = min(seconds)
    rival = theirs["fast_s"] if theirs else None
    return {
        "name": "xrf_fit",
        "value": value,
        "unit": "s",
        "rival": "PyMca FastXRFLinearFit (SNIP background)",
        "rival_value": rival,
        "ratio": rival / value if rival else None,
        "size": f"{SPECTRA} spectra x {vortex.bins} bins, {len(ELEMENTS)} elements",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": f"scale refined once, {refining_s:.2f} s; dead time up to {found.live.dead_share.max():.2f}; "
        f"ours / truth - 1: {_differences(found.areas, truth)}; {_against(theirs, found.counts)}",
    }


def _against(theirs: dict | None, counts: np.ndarray) -> str:
    if theirs is None:
        return f"PyMca left out: {PYMCA_PYTHON} names no interpreter that has it"
    fast, full = (dict(zip(ELEMENTS, theirs[name], strict=True)) for name in ("fast", "full"))
    return (
        f"ours / FastXRFLinearFit - 1: {_differences(counts, fast)}; ours / PyMca's non-linear fit - 1, of "
        f"{FULL_FITS}: {_differences(counts[:, :FULL_FITS], full)}, {theirs['full_s']:.3f} s each"
    )


def _measured(vortex) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Spectra, scalers, and true counts a second, of patterns of random light at rates up to the highest."""
    rng = np.random.default_rng(7)
    mass = 2e-3 * rng.random((SIZE, SIZE))
    parts = rng.dirichlet([1.0, 1.0, 1.0], (SIZE, SIZE))
    densities = {element: 0.6 * mass * parts[..., i] for i, element in enumerate(JUDGED)}
    sample = Sample(densities | {"O": 0.4 * mass}, 4.7, 25e-9)
    source = fluorescence(sample, ENERGY_EV, vortex, FluorescenceTruth())
    whole = source.spectrum(np.ones((SIZE, SIZE))).sum()
    light = rng.random((SPECTRA, SIZE, SIZE)) * 2 * (RATE / whole) * rng.uniform(0.2, 1.4, (SPECTRA, 1, 1))
    arriving = np.array([source.arriving(one) for one in light])
    electronics = Electronics(vortex.dead_time_s)
    drawn = [
        counted(one @ source.shapes, EXPOSURE_S, electronics, vortex.ev_per_bin, rng) for one in arriving
    ]
    truth = {element: arriving[:, source.names.index(element)] for element in JUDGED}
    return np.array([one.spectrum for one in drawn]), np.array([one.scalers for one in drawn]), truth


def _differences(areas: np.ndarray, wanted: dict[str, np.ndarray]) -> str:
    """Mean relative difference of the judged elements."""
    return ", ".join(
        f"{element} {100 * (areas[ELEMENTS.index(element)].sum() / wanted[element].sum() - 1):+.2f} %"
        for element in JUDGED
    )


def _pymca(spectra: np.ndarray, model: SpectrumModel) -> dict | None:
    python = sys.executable if importlib.util.find_spec("PyMca5") else os.environ.get(PYMCA_PYTHON, "")
    if not python:
        return None
    gain = model.scale.ev_per_bin / 1000
    settings = {
        "elements": ELEMENTS,
        "energy_kev": model.energy_ev / 1000,
        "zero_kev": model.scale.zero_ev / 1000 + gain / 2,
        "gain_kev": gain,
        "noise_kev": model.response.noise_fwhm_ev / 1000,
        "first": model.scale.bin_of(model.low_ev),
        "last": model.scale.bin_of(9600.0),  # PyMca knows no pile-up of a spectrum's own
        "full_fits": FULL_FITS,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "spectra.npy", spectra)
        (folder / "settings.json").write_text(json.dumps(settings))
        script = Path(__file__).with_name("_pymca.py")
        command = [python, "-W", "ignore", str(script), str(folder), str(REPEATS)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        times = json.loads(done.stdout.splitlines()[-1])
        return times | {name: np.load(folder / f"{name}.npy") for name in ("fast", "full")}
