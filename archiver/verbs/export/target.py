"""What an export writes to: one way of laying out messages."""

from types import TracebackType
from typing import BinaryIO, Protocol, Self

from archiver.index import Hit


class Target(Protocol):
    """Takes messages one after the other; leaving it as a context without ``finish`` keeps what is
    needed to go on with it.
    """

    reads: bool
    """Whether it wants the octets of messages; else it is given none."""

    def has(self, hit: Hit) -> bool:
        """Whether it holds this message already, whole, or has nothing to hold of it."""

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Writes a message.

        Args:
            hit: what is known of it.
            octets: the raw message, seekable, at its beginning.

        Raises:
            OSError: it cannot be written.
        """

    def finish(self) -> None:
        """Everything was taken: what was written is durable and has its name."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
