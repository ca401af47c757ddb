"""Fit spectra with PyMca; run by an interpreter that has it: ``python _pymca.py FOLDER REPEATS``.

In the folder: spectra.npy (n, bins), settings.json. Writes fast.npy (elements, n) of FastXRFLinearFit, and
full.npy (elements, few) of the non-linear fit of the first few; prints the seconds of the fast fit, and those
of one non-linear fit, as JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from PyMca5 import PyMcaDataDir
from PyMca5.PyMcaIO import ConfigDict
from PyMca5.PyMcaPhysics.xrf.ClassMcaTheory import McaTheory
from PyMca5.PyMcaPhysics.xrf.FastXRFLinearFit import FastXRFLinearFit


def configuration(settings: dict) -> ConfigDict.ConfigDict:
    """PyMca's default configuration, for these spectra: calibration, elements, scatter; SNIP background."""
    found = ConfigDict.ConfigDict()
    found.read(os.path.join(PyMcaDataDir.PYMCA_DATA_DIR, "McaTheory.cfg"))
    found["peaks"] = {element: ["K"] for element in settings["elements"]}
    for name in ("zero", "gain", "noise"):
        found["detector"][name] = settings[f"{name}_kev"]
    found["detector"].update({"fixedsum": 1, "sum": 0.0, "fixedfano": 1})
    found["fit"].update(
        {
            "xmin": settings["first"], "xmax": settings["last"], "use_limit": 1,
            "stripflag": 1, "stripalgorithm": 1, "snipwidth": 30, "stripfilterwidth": 1,
            "stripanchorsflag": 0, "stripanchorslist": [0, 0, 0, 0], "continuum": 0,
            "hypermetflag": 3, "escapeflag": 1, "sumflag": 0, "scatterflag": 1,
            "energy": [settings["energy_kev"]], "energyweight": [1.0], "energyflag": [1],
            "energyscatter": [1], "fitweight": 1, "fitfunction": 0, "linearfitflag": 0, "maxiter": 20,
        }
    )  # fmt: skip
    found["peakshape"].update(
        {f"fixed{name}": 1 for name in ("st_sloperatio", "lt_sloperatio", "lt_arearatio")}
    )
    found["peakshape"].update({"st_arearatio": 0.01, "st_sloperatio": 2.5})
    return found


def fast(spectra: np.ndarray, config: ConfigDict.ConfigDict, elements: list[str]) -> np.ndarray:
    """Areas (elements, n) of all spectra by one linear fit."""
    fit = FastXRFLinearFit()
    fit.setFitConfiguration(config)
    found = fit.fitMultipleSpectra(y=spectra[None], weight=1, refit=1, concentrations=0)
    names = [name.replace("_", " ") for name in found.labels("parameters")]
    return np.array([found["parameters"][names.index(f"{element} K")][0] for element in elements])


def full(spectrum: np.ndarray, theory: McaTheory, elements: list[str]) -> list[float]:
    """Areas of one spectrum by PyMca's non-linear fit."""
    channels = np.arange(spectrum.size)
    theory.setData(
        x=channels, y=spectrum, xmin=theory.config["fit"]["xmin"], xmax=theory.config["fit"]["xmax"]
    )
    theory.estimate()
    _, result = theory.startfit(digest=1)
    return [result[f"{element} K"]["fitarea"] for element in elements]


def main(folder: Path, repeats: int) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    spectra = np.load(folder / "spectra.npy").astype(float)
    elements, few = settings["elements"], settings["full_fits"]
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        areas = fast(spectra, configuration(settings), elements)
        seconds.append(time.perf_counter() - start)
    np.save(folder / "fast.npy", areas)
    theory = McaTheory()
    theory.configure(configuration(settings))
    start = time.perf_counter()
    found = [full(spectrum, theory, elements) for spectrum in spectra[:few]]
    one = (time.perf_counter() - start) / few
    np.save(folder / "full.npy", np.transpose(found))
    print(json.dumps({"fast_s": min(seconds), "full_s": one}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
