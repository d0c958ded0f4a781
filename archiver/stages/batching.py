"""Batches as they fill: messages stream into a segment, which lands when it is due.

A batch is due at 500 messages, 32 MiB or 2 seconds, so that one fsync and one transaction serve
many messages and no message waits long for its upload.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archiver.format import MessageHash
from archiver.ledger.landing import Draft, Landed, Landing
from archiver.model import Clock, Listed, Origin
from archiver.state import Segment, Spool

_MESSAGES = 500
_OCTETS = 32 << 20
_SECONDS = 2.0


Land = Callable[[Draft, Sequence[Landed], float], Landing]
"""Writes a durable batch into the ledger, at a time in seconds since the epoch."""


@dataclass(slots=True)
class _Open:
    """The message that is arriving."""

    listed: Listed
    offset: int
    hashed: MessageHash


class BatchWriter:
    """Turns a stream of messages into batches.

    Args:
        land: writes what is durable into the ledger.
        spool: where segments are made.
        account: the account's id.
        clock: for times of arrival and the age of the batch.
    """

    def __init__(self, land: Land, spool: Spool, account: str, clock: Clock) -> None:
        self._land = land
        self._spool = spool
        self._account = account
        self._clock = clock
        self._segment: Segment | None = None
        self._opened = 0.0
        self._landed: list[Landed] = []
        self._message: _Open | None = None

    @property
    def message_octets(self) -> int:
        """Octets of the arriving message so far."""
        if self._segment is None or self._message is None:
            return 0
        return self._segment.octets - self._message.offset

    @property
    def octets(self) -> int:
        """Octets of the batch so far."""
        return 0 if self._segment is None else self._segment.octets

    @property
    def is_empty(self) -> bool:
        """Whether no complete message waits to be landed."""
        return not self._landed

    @property
    def is_due(self) -> bool:
        """Whether the batch should be closed now."""
        if self._segment is None:
            return False
        return (
            len(self._landed) >= _MESSAGES
            or self._segment.octets >= _OCTETS
            or self._clock.monotonic() - self._opened >= _SECONDS
        )

    def begin(self, listed: Listed) -> None:
        """A message begins to arrive."""
        if self._segment is None:
            self._segment = self._spool.create(self._account, self._clock.now())
            self._opened = self._clock.monotonic()
        self._message = _Open(listed, self._segment.octets, MessageHash())

    def write(self, octets: bytes) -> None:
        """The next octets of the arriving message."""
        assert self._segment is not None
        assert self._message is not None
        self._message.hashed.update(octets)
        self._segment.write(octets)

    def finish(self, anomalies: tuple[str, ...], origin: Origin | None = None) -> int:
        """The arriving message is complete; returns its octets."""
        assert self._message is not None
        message, self._message = self._message, None
        fingerprint = message.hashed.result()
        self._landed.append(
            Landed(
                message.listed, fingerprint, message.offset, self._clock.now(), anomalies, origin
            )
        )
        return fingerprint.size

    def abandon(self) -> Listed:
        """Takes back the arriving message, which did not arrive whole, and says which it was."""
        assert self._segment is not None
        assert self._message is not None
        message, self._message = self._message, None
        self._segment.cut(message.offset)
        return message.listed

    def disown(self, listed: Listed) -> int:
        """Takes back the newest complete message if it is this one; returns how many that was.

        The stream went on behind its end, so it may have been cut short; not so once the answer to
        the next message had begun, which showed that it was whole.
        """
        if self._segment is None or self._message is not None:
            return 0
        if not self._landed or self._landed[-1].listed != listed:
            return 0
        self._segment.cut(self._landed.pop().offset)
        return 1

    def close(self) -> str | None:
        """Makes the complete messages durable and lands them.

        Returns:
            The batch's name, or None when it brought nothing that a batch is needed for.
        """
        segment = self._segment
        if segment is None:
            return None
        if self._message is not None:
            self.abandon()
        self._segment, landed, self._landed = None, self._landed, []
        if not landed:
            segment.discard()
            return None
        segment.commit()
        draft = Draft(segment.batch, segment.day, segment.name, segment.octets)
        landing = self._land(draft, landed, self._clock.now())
        if not landing.is_batch:
            self._spool.remove(segment.name)
            return None
        return segment.batch

    def discard(self) -> None:
        """Gives up what is not durable yet; it is still on the server."""
        if self._segment is not None:
            self._segment.discard()
        self._segment, self._message, self._landed = None, None, []
