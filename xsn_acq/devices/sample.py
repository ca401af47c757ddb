"""The sample stage, and the coordinates of everything."""

from xsn_acq.devices.motor import AxisComponent, Stage


class SampleStage(Stage):
    """Sample x, y, z (um) under the rotation theta (deg).

    Coordinates, here and everywhere: z along the beam, downstream positive; y up; x = y cross z completes a
    right-handed frame. The rotation axis is y; theta is positive by the right-hand rule about +y, so that
    a point (x, z) of the sample appears at x cos(theta) + z sin(theta). x, y and z sit under the rotation:
    moving x moves the axis in the image.
    """

    x = AxisComponent()
    y = AxisComponent()
    z = AxisComponent()
    theta = AxisComponent()
