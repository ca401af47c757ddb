"""What is closed at the end of a ``with`` block."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Something that is closed; ``with`` closes it however its block ends.

    >>> class Door(Closing):
    ...     def close(self) -> None:
    ...         print("shut")
    >>> with Door() as door:
    ...     print("open")
    open
    shut
    """

    @abstractmethod
    def close(self) -> None:
        """Let everything go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
