"""A process that scans the focus over energies, calibrates, and takes an energy scan with what was found.

``python -m tests.system.focus_session DATA DOCUMENTS FOCUS.yaml NEXT.yaml`` prints what it found.
"""

import sys
from dataclasses import replace
from pathlib import Path

from xsn_acq.config import load_beamline
from xsn_acq.live.calibrate import calibrate
from xsn_acq.session import open_session, plan_parameters
from xsn_acq.storage.journal import find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

NAME = "pls2-7c-xni"


def main(folder, documents, focus, following):
    data = DataFolder(Path(folder))
    with open_session(load_beamline(NAME), data, documents, connect_timeout_s=30.0) as session:
        (uid,) = session.run("focus_scan", plan_parameters("focus_scan", Path(focus)))
        found = calibrate(RunRecord.from_journal(find_run(data.journal, uid).path), data)
        print(found.line, flush=True)
        known = load_beamline(NAME, calibrations=data.calibrations)
        later = replace(session, instrument=replace(session.instrument, file=known))
        later.run("energy_scan", plan_parameters("energy_scan", Path(following)))


if __name__ == "__main__":
    main(*sys.argv[1:])
