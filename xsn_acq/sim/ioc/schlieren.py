"""What is simulated of a schlieren microscope alone: undulator, diffuser, and how its images arise."""

from xsn_acq.config import Beamline
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.faults import Faults
from xsn_acq.sim.ioc.kinetix import Kinetix
from xsn_acq.sim.ioc.rendering import Imager
from xsn_acq.sim.ioc.simple import DiffuserRotation, Feedback
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.ioc.technique import Technique
from xsn_acq.sim.ioc.undulator import UndulatorControl
from xsn_acq.sim.ioc.world import World
from xsn_acq.sim.source import beam
from xsn_acq.sim.truth import Truth


def schlieren(beamline: Beamline, truth: Truth, seed: int) -> Technique:
    """Return the parts of a schlieren microscope."""
    world = World(beamline, truth)

    def light(time_s: float) -> float:
        return beam(beamline, truth, world.state(time_s, time_s))

    def imager(sample: str) -> Imager:
        from xsn_acq.sim.microscope import Microscope
        from xsn_acq.sim.phantoms import phantom

        return Microscope(beamline, phantom(sample, seed), truth, seed)

    def records(clock: SimClock, faults: Faults) -> list[Records]:
        return [
            Feedback(beamline.pvs.mono_feedback, world, clock, faults),
            UndulatorControl(beamline, world, clock, faults),
            DiffuserRotation(beamline.pvs.diffuser_rotation, world.diffuser_rotating, clock),
        ]

    return Technique(
        world=world,
        light=light,
        state=world.state,
        imager=imager,
        encoder="sample_theta",
        more_axes={"gap": world.gap},
        records=records,
        camera=Kinetix,
    )
