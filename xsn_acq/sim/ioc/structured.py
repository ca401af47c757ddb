"""What is simulated of a microscope with structured light alone: sheets, condenser, fluorescence detector."""

from xsn_acq.config import StructuredBeamline
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.faults import Faults, SheetSlips
from xsn_acq.sim.ioc.kinetix import Kinetix
from xsn_acq.sim.ioc.rendering import Renderer
from xsn_acq.sim.ioc.simple import Feedback
from xsn_acq.sim.ioc.structured_world import StructuredWorld
from xsn_acq.sim.ioc.technique import GatedDetector, Technique
from xsn_acq.sim.ioc.vortex import SimulatedVortex
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.source import wiggler_beam
from xsn_acq.sim.structured_microscope import StructuredMicroscope
from xsn_acq.sim.structured_truth import StructuredTruth


def structured(beamline: StructuredBeamline, truth: StructuredTruth, seed: int) -> Technique:
    """Return the parts of a microscope with structured illumination."""
    world = StructuredWorld(beamline, truth)

    def light(time_s: float) -> float:
        return wiggler_beam(beamline, truth, world.state(time_s, time_s))

    def imager(sample: str) -> StructuredMicroscope:
        return StructuredMicroscope(beamline, phantom(sample, seed), truth, seed)

    def gated(renderer: Renderer, clock: SimClock, faults: Faults) -> list[GatedDetector]:
        def hold() -> None:
            held = {fault.axis for fault in faults.find(SheetSlips)}
            world.hold(held, clock.now())

        faults.listen(hold)
        return [SimulatedVortex(beamline.pvs.vortex, beamline.vortex, renderer.spectrum, clock, faults)]

    return Technique(
        world=world,
        light=light,
        state=world.state,
        imager=imager,
        encoder="sandpaper_fine_x",
        more_axes={},
        records=lambda clock, faults: [Feedback(beamline.pvs.mono_feedback, world, clock, faults)],
        camera=Kinetix,
        gated=gated,
    )
