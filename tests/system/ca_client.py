"""A small Channel Access client that owns its own connections, apart from pyepics."""

import threading
import time

import numpy as np
from caproto import ChannelType
from caproto.threading.client import Context


class Client:
    """Get and put by name; enumerations read as strings, arrays of characters as text."""

    def __init__(self):
        self._context = Context()
        self._pvs = {}

    def pv(self, name):
        if name not in self._pvs:
            (self._pvs[name],) = self._context.get_pvs(name, timeout=10)
            self._pvs[name].wait_for_connection(timeout=10)
        return self._pvs[name]

    def get(self, name):
        pv = self.pv(name)
        kind = pv.channel.native_data_type
        if kind == ChannelType.ENUM:
            return pv.read(data_type=ChannelType.STRING, timeout=10).data[0].decode()
        data = pv.read(timeout=10).data
        if kind == ChannelType.STRING:
            return data[0].decode()
        if kind == ChannelType.CHAR:
            return bytes(np.asarray(data, np.uint8)).split(b"\0")[0].decode()
        return data[0] if pv.channel.native_data_count == 1 else np.asarray(data)

    def stamp(self, name):
        """Time stamp of a value, seconds since 1970."""
        return self.pv(name).read(data_type="time", timeout=10).metadata.timestamp

    def put(self, name, value, *, wait=True, timeout=30.0):
        pv = self.pv(name)
        if isinstance(value, str) and pv.channel.native_data_type == ChannelType.CHAR:
            pv.write(value.encode() + b"\0", wait=wait, timeout=timeout, data_type=ChannelType.CHAR)
        elif isinstance(value, str):
            pv.write([value.encode()], wait=wait, timeout=timeout, data_type=ChannelType.STRING)
        else:
            pv.write(value, wait=wait, timeout=timeout)

    def until(self, name, wanted, timeout=20.0):
        """Wait until a PV has a value; ``wanted`` is a value or a predicate."""
        check = wanted if callable(wanted) else lambda found: found == wanted
        end, pause = time.monotonic() + timeout, threading.Event()
        while not check(found := self.get(name)):
            assert time.monotonic() < end, f"{name} is {found!r} after {timeout} s"
            pause.wait(0.02)
        return found

    def close(self):
        self._context.disconnect()
