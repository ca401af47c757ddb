"""What is acquired, as frozen values with units and bounds."""

from xsn_acq.params.tomography import Roi, XsnTomography

__all__ = ["Roi", "XsnTomography"]
