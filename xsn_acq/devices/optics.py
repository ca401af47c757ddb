"""Optics on motors: condenser, pinhole, zone plate, detector stage."""

from xsn_acq.devices.motor import AxisComponent, Stage


class Condenser(Stage):
    """Condenser lens, x and y in um."""

    x = AxisComponent()
    y = AxisComponent()


class CapillaryCondenser(Stage):
    """Capillary condenser: x and y in um, pitch and yaw in urad."""

    x = AxisComponent()
    y = AxisComponent()
    pitch = AxisComponent()
    yaw = AxisComponent()


class Sandpaper(Stage):
    """Sheet of sandpaper across the beam, x and y in mm."""

    x = AxisComponent()
    y = AxisComponent()


class SpeckleDiffuser(Stage):
    """Diffuser behind the sample: x and y in mm; x also moves it out of the beam."""

    x = AxisComponent()
    y = AxisComponent()


class Pinhole(Stage):
    """Pinhole before the sample, x and y in um."""

    x = AxisComponent()
    y = AxisComponent()


class ZonePlateStage(Stage):
    """Imaging zone plate: x and y in um, z along the beam in mm (focus)."""

    x = AxisComponent()
    y = AxisComponent()
    z = AxisComponent()


class FluorescenceStage(Stage):
    """Fluorescence detector beside the sample: x in mm, away from it positive."""

    x = AxisComponent()


class DetectorStage(Stage):
    """Scintillator, objective and camera along the beam, z in mm."""

    z = AxisComponent()
