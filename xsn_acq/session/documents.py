"""What is done with the documents of a run before they leave the session."""

import logging
from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from typing import Any

from bluesky import plan_stubs as bps
from bluesky.preprocessors import plan_mutator
from bluesky.utils import Msg
from event_model import DocumentNames, schema_validators

logger = logging.getLogger(__name__)

Plan = Generator[Msg, Any, Any]
Subscriber = Callable[[str, dict[str, Any]], None]


def with_baseline(devices: Sequence[Any]) -> Callable[[Plan], Plan]:
    """Preprocessor that reads ``devices`` after a run has opened and before it closes, as bluesky's own does.

    But a last reading that fails is only told: it must not take the place of what really ended the run.
    """

    def first() -> Plan:
        yield from bps.declare_stream(*devices, name="baseline")
        yield from bps.trigger_and_read(devices, name="baseline")

    def last(close: Msg) -> Plan:
        try:
            yield from bps.trigger_and_read(devices, name="baseline")
        except Exception as error:
            logger.warning("the baseline at the end of the run could not be read: %s", error)
        return (yield close)

    def insert(msg: Msg) -> tuple[Plan | None, Plan | None]:
        if msg.command == "open_run":
            return None, first()
        return (last(msg), None) if msg.command == "close_run" else (None, None)

    return lambda plan: plan_mutator(plan, insert)


def harmless(subscriber: Subscriber) -> Subscriber:
    """A subscriber whose first error is logged and which is then left out: it never stops a run."""
    failed = False

    def guarded(name: str, doc: dict[str, Any]) -> None:
        nonlocal failed
        if failed:
            return
        try:
            subscriber(name, doc)
        except Exception:
            failed = True
            logger.exception("a subscriber failed and is left out for the rest of the session")

    return guarded


def check_pages_by_column() -> None:
    """Let event_model check the columns of an event page, no longer every value in them.

    Its schema allows any value (``items: {}``), yet the check visits each one: 0.2 ms for a ledger row,
    more than all else a frame costs. What the schema does ask for is still refused.
    """
    schema = deepcopy(schema_validators[DocumentNames.event_page].schema)
    columns = schema["$defs"]["PartialEventPage"]["properties"]
    for part in ("data", "timestamps"):
        columns[part]["additionalProperties"].pop("items", None)
    checker = type(schema_validators[DocumentNames.event_page])
    schema_validators[DocumentNames.event_page] = checker(schema)
