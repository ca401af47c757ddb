"""Process variables: caproto's channel data, with one hook for puts and the simulated clock for stamps."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from caproto import (
    AccessRights,
    ChannelChar,
    ChannelDouble,
    ChannelEnum,
    ChannelInteger,
    ChannelShort,
    ChannelString,
)

Now = Callable[[], float]
Put = Callable[[Any], Awaitable[Any]]

MAX_STRING = 40


class Served:
    """What every process variable here can do; mixed in before a caproto channel class.

    ``on_put`` is awaited with the value of each put from a client, and never for our own posts. It may return
    another value, return None to keep the one given, raise caproto's SkipWrite when it has posted already, or
    raise any other error to refuse the put. A put with callback is answered when ``on_put`` returns.

    Parameters
    ----------
    now : callable
        Simulated epoch seconds; stamps every value.
    record : str
        Record type reported as ``.RTYP``.
    read_only : bool
        Refuse puts.
    """

    if TYPE_CHECKING:
        value: Any
        _data: dict[str, Any]

        async def write_metadata(self, **metadata: Any) -> None:
            """Change units, limits or precision."""

    def __init__(self, *, now: Now, record: str = "ai", read_only: bool = False, **channel: Any) -> None:
        channel.update(reported_record_type=record, timestamp=now())
        super().__init__(**channel)
        self.now = now
        self.record = record
        self.read_only = read_only
        self.on_put: Put | None = None
        self.held: Any = None
        self._waiting: Any = None
        self._fields: dict[str, Served] = {}

    async def verify_value(self, data: Any) -> Any:
        """Check a put and hand it to the hook."""
        value = await super().verify_value(data)  # type: ignore[misc]
        return value if self.on_put is None else await self.on_put(value)

    async def write(self, value: Any, **metadata: Any) -> None:
        """Store and publish, stamped with simulated time unless ``timestamp`` is given."""
        metadata.setdefault("timestamp", self.now())
        await super().write(value, **metadata)  # type: ignore[misc]

    def preset(self, value: Any) -> None:
        """Give the value it has when the server starts."""
        self._data["value"] = value

    def preset_limits(self, low: float, high: float) -> None:
        """Give the control limits it has when the server starts."""
        self._data.update(lower_ctrl_limit=low, upper_ctrl_limit=high)

    async def post(self, value: Any, **metadata: Any) -> None:
        """Store and publish a value of our own: no hook, no limits; while held, it only waits."""
        self._waiting = value
        await self.write(value if self.held is None else self.held, verify_value=False, **metadata)

    async def hold(self, value: Any) -> None:
        """Read as ``value`` until released, whatever is posted."""
        self._waiting = self.value
        self.held = value
        await self.write(value, verify_value=False)

    async def release(self) -> None:
        """Read as what was posted last."""
        self.held = None
        await self.write(self._waiting, verify_value=False)

    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Everybody reads; puts go only to what may be written."""
        return AccessRights.READ if self.read_only else AccessRights.READ | AccessRights.WRITE

    def get_field(self, name: str) -> "Served":
        """Field of the record, made when first asked for.

        Raises
        ------
        KeyError
            If such a record has no such field.
        """
        if name in ("", "VAL"):
            return self
        if name not in self._fields:
            self._fields[name] = common_field(self, name)
        return self._fields[name]

    def add_field(self, name: str, field: "Served") -> None:
        """Serve ``field`` as ``.name`` of this record."""
        self._fields[name] = field


class Double(Served, ChannelDouble):
    """A number, or an array of numbers."""


class Long(Served, ChannelInteger):
    """A 32-bit integer, or an array of them."""


class Short(Served, ChannelShort):
    """A 16-bit integer."""


class Text(Served, ChannelString):
    """A string of up to 40 characters."""


class CharArray(Served, ChannelChar):
    """A string in an array of characters, as areaDetector has them."""


class Enum(Served, ChannelEnum):
    """One of a list of strings; a put may give the string or its number."""

    async def verify_value(self, data: Any) -> Any:
        """Refuse a state that does not exist."""
        if isinstance(data, str):
            if data not in self.enum_strings:
                raise ValueError(f"{data!r} is not one of {', '.join(self.enum_strings)}")
        elif not 0 <= int(data) < len(self.enum_strings):
            raise ValueError(f"state {data} does not exist, there are {len(self.enum_strings)}")
        return await super().verify_value(data)

    async def post(self, value: Any, **metadata: Any) -> None:
        """Publish a state, given as string or number."""
        await super().post(value if isinstance(value, str) else self.enum_strings[int(value)], **metadata)

    @property
    def index(self) -> int:
        """Number of the present state."""
        return int(self.value) if isinstance(self.value, int) else self.enum_strings.index(self.value)


def enum(
    states: Sequence[str], *, now: Now, value: int = 0, record: str = "mbbo", read_only: bool = False
) -> Enum:
    """Make an enumeration at state number ``value``."""
    names = tuple(states) or ("",)
    return Enum(now=now, record=record, read_only=read_only, value=names[value], enum_strings=names)


def common_field(pv: Served, name: str) -> Served:
    """Make one of the fields that all records have; KeyError for others."""
    now = pv.now
    if name == "RTYP":
        return Text(now=now, value=pv.record, read_only=True)
    if name in ("DESC", "NAME", "FLNK", "DTYP"):
        return Text(now=now, value="")
    if name == "EGU":
        return Text(now=now, value=getattr(pv, "units", ""))
    if name == "PREC":
        return Short(now=now, value=getattr(pv, "precision", 0))
    if name in ("PROC", "DISP", "DISA", "STAT", "SEVR"):
        return Short(now=now, value=0)
    if name in ("HOPR", "LOPR", "DRVH", "DRVL", "HIHI", "HIGH", "LOW", "LOLO"):
        return Double(now=now, value=0.0)
    if name == "NELM" and pv.record in ("waveform", "subArray"):
        return Long(now=now, value=getattr(pv, "max_length", 1), read_only=True)
    if name in ("ZNAM", "ONAM") and isinstance(pv, Enum) and len(pv.enum_strings) == 2:
        return Text(now=now, value=pv.enum_strings[name == "ONAM"])
    raise KeyError(name)
