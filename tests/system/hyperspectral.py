"""A hyperspectral scan that loses its session and its IOC in mid-flight and goes on with new ones.

By hand, with more energies than the test has time for::

    python -m tests.system.hyperspectral FOLDER 11 5 [--live]
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import h5py
import numpy as np

from tests.system.command import children, finished, kill, run_command
from tests.system.ioc import Ioc
from xsn_acq.storage.feed import Follower
from xsn_acq.storage.journal import journal_files, read_journal
from xsn_acq.storage.layout import DataFolder

PLAN = "hyperspectral_tomography"
PARAMETERS = """\
energies_ev: {energies}
projections: {projections}
exposure_s: 1.0
darks: 3
flats: 5
roi: {{min_x: 1540, min_y: 1552, size_x: 128, size_y: 96}}
"""
PATIENCE_S = 600


class Scan:
    """What journals and frame files say, read as they stand."""

    def __init__(self, data, projections):
        self.projections = projections
        self.runs = [list(read_journal(path)) for path in journal_files(data / "journal")]

    def starts(self):
        return [lines[0].doc for lines in self.runs]

    def good(self, lines):
        """Good ledger rows of a run: (target, frame index, angle)."""
        names = {line.doc["uid"]: line.doc["name"] for line in lines if line.name == "descriptor"}
        pages = [line.doc["data"] for line in lines if line.name == "event_page"]
        streams = [names[line.doc["descriptor"]] for line in lines if line.name == "event_page"]
        return [
            (target, index, theta)
            for page, stream in zip(pages, streams, strict=True)
            if stream == "ledger"
            for target, index, theta, status in zip(
                *(page[key] for key in ("target", "frame_index", "theta_deg", "status")), strict=True
            )
            if status == "ok"
        ]

    def of_energy(self, number):
        """Runs of an energy that have good frames."""
        return [
            lines
            for lines in self.runs
            if lines[0].doc["hyperspectral"]["number"] == number and self.good(lines)
        ]

    def assert_each_target_once(self, number):
        """No gap, no duplicate; each frame is there, at the angle that its target has: to and fro."""
        rows = [row for lines in self.of_energy(number) for row in self.good(lines)]
        assert Counter(target for target, _, _ in rows) == Counter(range(self.projections))
        step_deg = 360 / self.projections
        for target, _, theta in rows:
            wanted = 360 - target * step_deg if number % 2 else target * step_deg
            # encoder resolution 1e-4 degree
            assert abs(theta - wanted) < 2e-4
        for lines in self.of_energy(number):
            frames = frames_of(lines)
            assert all(frames[index].any() for _, index, _ in self.good(lines))


def frames_of(lines):
    """Projections of a run as its file holds them."""
    resources = [line.doc for line in lines if line.name == "stream_resource"]
    (path,) = {p for p in (urlsplit(doc["uri"]).path for doc in resources) if "projections" in p}
    with h5py.File(path, swmr=True) as file:
        return file["entry/data/data"][()]


def start(arguments, environment):
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        arguments,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def killed_and_resumed(folder, energies_ev, *, killed_at, projections=48, speed=12.0, options=()):
    """Kill session and IOC while energy ``killed_at`` (from 0) is flown, start both again with ``--resume``.

    Returns
    -------
    scan : Scan
    rows_before : int
        Good rows of the interrupted energy when all was killed.
    output : str
        What the second session said.
    """
    parameters, data = folder / "hyperspectral.yaml", folder / "data"
    parameters.write_text(PARAMETERS.format(energies=list(energies_ev), projections=projections))
    ioc = Ioc(speed=speed).start()
    environment = {**os.environ, **ioc.environment, "OMP_NUM_THREADS": "1"}
    try:
        process = start(run_command(parameters, data, *options, plan=PLAN), environment)
        _wait_for_rows(data, process, killed_at)
        workers = children(process.pid, "catalogue") + children(process.pid, "live")
        os.killpg(process.pid, signal.SIGKILL)
        kill(workers)
        ioc.kill()
        process.communicate()
        found = Scan(data, projections)
        before = sum(len(found.good(lines)) for lines in found.of_energy(killed_at))
        ioc.start()
        output = _said(run_command(parameters, data, *options, "--resume", plan=PLAN), environment)
    finally:
        ioc.stop()
        ioc.log.unlink()
    return Scan(data, projections), before, output


def _wait_for_rows(data, process, number):
    """Wait until an energy has good rows; woken by the journal."""
    part, ledger = -1, ""
    with Follower(DataFolder(data).journal, runs="all") as follower:
        while process.poll() is None:
            for line in follower.poll():
                if line.name == "start":
                    part = line.doc["hyperspectral"]["number"]
                elif line.name == "descriptor" and line.doc["name"] == "ledger":
                    ledger = line.doc["uid"]
                elif part == number and line.name == "event_page" and _has_good(line.doc, ledger):
                    return
    raise AssertionError(f"the scan ended early: {process.communicate()[0]}")


def _has_good(page, ledger):
    return page["descriptor"] == ledger and "ok" in page["data"]["status"]


def _said(arguments, environment):
    status, output = finished(start(arguments, environment), PATIENCE_S)
    assert status == 0, output
    return output


def by_hand(folder, count, killed_at, *options):
    """The paper's energies; prints what became of them."""
    energies = np.linspace(8313.0, 8353.0, count).tolist()
    scan, before, output = killed_and_resumed(Path(folder), energies, killed_at=killed_at, options=options)
    print(output, f"{before} rows when killed", sep="\n")
    for number in range(count):
        scan.assert_each_target_once(number)
        print(number, [len(scan.good(lines)) for lines in scan.of_energy(number)])


if __name__ == "__main__":
    by_hand(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) - 1, *sys.argv[4:])
