"""What is simulated of a beamline for speckle microtomography alone: multilayers, diffuser, sCMOS camera."""

import time

from xsn_acq.config import SpeckleBeamline
from xsn_acq.sim.ioc.pco_edge import PcoEdge
from xsn_acq.sim.ioc.speckle_world import SpeckleWorld
from xsn_acq.sim.ioc.technique import Technique
from xsn_acq.sim.speckle_light import beam
from xsn_acq.sim.speckle_microscope import SpeckleMicroscope
from xsn_acq.sim.speckle_samples import speckle_sample
from xsn_acq.sim.speckle_truth import SpeckleTruth


def speckle(beamline: SpeckleBeamline, truth: SpeckleTruth, seed: int) -> Technique:
    """Return the parts of a beamline for speckle microtomography."""
    world = SpeckleWorld(beamline, time.time())

    def light(time_s: float) -> float:
        return beam(beamline, truth, world.state(time_s, time_s))

    def imager(sample: str) -> SpeckleMicroscope:
        return SpeckleMicroscope(beamline, speckle_sample(sample, seed), truth, seed)

    return Technique(
        world=world,
        light=light,
        state=world.state,
        imager=imager,
        encoder="sample_theta",
        more_axes={},
        records=lambda clock, faults: [],
        camera=PcoEdge,
    )
