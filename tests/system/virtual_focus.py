"""Focus scans of the simulated microscope without Channel Access: places of the plan, noise, analysis."""

import re
from dataclasses import replace

import numpy as np
from frame_files import FrameFile

from xsn_acq.config import load_beamline
from xsn_acq.config.energy import at_energy
from xsn_acq.live.calibrate import calibrate
from xsn_acq.plans.focus_energies import focus_places
from xsn_acq.sim.detector import digitised
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

NAME = "pls2-7c-xni"
SEED = 3
BEGIN_S = 1.7e9
OWN_RATE = 300e-6 * 30e-9 / 1.2398419843e-6 * 1e6
"""Growth of the focal length D dr E / (h c), um/eV, with the beamline file's numbers."""
COLUMNS = {"cutoff_x": "cutoff_x_um", "sample_x": "sample_x_um", "zone_plate_z": "zone_plate_z_mm"}


def told_rate(line):
    """Rate of the focal length and its standard error as a person reads them, um/eV."""
    return tuple(map(float, re.search(r"grows by (\S+) \+- (\S+) um/eV", line).groups()))


class VirtualFocus:
    """The microscope, and a data folder whose calibrations each scan uses and adds to."""

    def __init__(self, folder, sample, truth, seed=SEED):
        self.data, self.plain = DataFolder(folder), load_beamline(NAME)
        self.truth, self._microscope = truth, Microscope(self.plain, phantom(sample, 1), truth, seed)
        self._rng, self._runs = np.random.default_rng(seed), 0

    @property
    def file(self):
        """The beamline file with what was calibrated so far."""
        return load_beamline(NAME, calibrations=self.data.calibrations)

    def state(self, energy_ev, file=None, **moved):
        """The instrument at an energy as the file has it, the light on."""
        at = at_energy(file or self.file, energy_ev)
        there = {
            "zone_plate_x_um": at.zone_plate_x_um or 0.0,
            "zone_plate_y_um": at.zone_plate_y_um or 0.0,
            "zone_plate_z_mm": at.zone_plate_z_mm,
        }
        return replace(nominal_state(self.plain, energy_ev), shutter_open=True, **there | moved)

    def image(self, state, camera):
        """The noise-free image over the flat."""
        photons = self._microscope.photons
        return photons(state, camera) / photons(replace(state, sample_x_um=60.0), camera)

    def scan(self, params):
        """Take a focus scan and analyse it: what `calibrate` returns."""
        self._runs += 1
        file = self.file
        return calibrate(RunRecord.from_documents(self._documents(file, params)), self.data)

    def _documents(self, file, params):
        camera = CameraSettings(params.exposure_s, *params.roi.as_tuple(), params.binning)
        folder = self.data.root / f"frames{self._runs}"
        uid, begin = f"{self._runs:08d}-focus", BEGIN_S + 3600 * self._runs
        acquisition = {
            "energy_ev": 8300.0,
            "detector_z_mm": 0.0,
            "binning": params.binning,
            "frame_shape": list(camera.shape),
            "roi": list(params.roi.as_tuple()),
        }
        yield (
            "start",
            {
                "uid": uid,
                "time": begin,
                "plan_name": "focus_scan",
                "technique": "calibration",
                "params": params.model_dump(mode="json"),
                "beamline": file.model_dump(mode="json"),
                "acquisition": acquisition,
            },
        )
        dark = replace(self.state(8300.0, file), shutter_open=False)
        yield from self._stream(folder, "darks", [(dark, params.darks)], camera)
        rows, series = [], []
        for point, place in enumerate(focus_places(params, file, 0.0, 0.0)):
            axes = {COLUMNS[name]: target for name, target in place.axes}
            state = self.state(place.energy_ev, file, time_s=begin + 10.0 * point, **axes)
            rows.append(self._row(point, place, state, sum(frames for _, frames in series)))
            series.append((state, place.frames))
        yield from self._stream(folder, "stills", series, camera)
        yield "descriptor", {"uid": "points", "name": "points"}
        for number, row in enumerate(rows, 1):
            yield "event", {"descriptor": "points", "data": row, "time": begin, "seq_num": number}
        yield "stop", {"exit_status": "success", "reason": ""}

    def _row(self, point, place, state, first_frame):
        return {
            "point": point,
            "kind": place.kind,
            "first_frame": first_frame,
            "frames": place.frames,
            "ring_current_ma": state.ring_current_ma,
            "wanted_ev": place.energy_ev,
            "energy_ev": place.energy_ev,
            "zone_plate_x_um": state.zone_plate_x_um,
            "zone_plate_y_um": state.zone_plate_y_um,
            "zone_plate_z_mm": state.zone_plate_z_mm,
            "status": "ok",
        }

    def _stream(self, folder, name, series, camera):
        """Frames of each state into one file; the light of all frames of a state is the same."""
        file = FrameFile(folder / f"{name}.h5", camera.shape)
        for state, frames in series:
            photons = self._microscope.photons(state, camera)
            for _ in range(frames):
                file.append(digitised(photons, self.truth, camera, self._rng), state.time_s + BEGIN_S)
        file.close()
        total = sum(frames for _, frames in series)
        yield "descriptor", {"uid": name, "name": name}
        uri = f"file://localhost{folder / name}.h5"
        yield "stream_resource", {"uid": f"{name} file", "uri": uri, "parameters": {}}
        indices = {"start": 0, "stop": total}
        yield "stream_datum", {"descriptor": name, "stream_resource": f"{name} file", "indices": indices}
