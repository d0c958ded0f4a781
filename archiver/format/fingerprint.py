"""What identifies a message: the digests of its octets and of its header."""

import hashlib

from archiver.model import Fingerprint

_END_OF_HEADER = b"\r\n\r\n"
_HEADER_PROBE = 1 << 20


class MessageHash:
    """The fingerprint of a message, fed with its octets in pieces of any size.

    The header digest covers the octets before the first empty line, so that ``TOP n 0`` of the
    same message gives the same one. A message is *identifiable* by it when its header has a
    Message-ID or a Received field: without them, different messages may share one header.
    """

    def __init__(self) -> None:
        self._all = hashlib.sha256()
        self._header = hashlib.sha256()
        # A message may begin with its empty line, so it counts as following a line end.
        self._tail = b"\r\n"
        self._hashed = 2
        self._in_header = True
        self._probe = bytearray(b"\r\n")
        self._size = 0

    def update(self, chunk: bytes) -> None:
        """Takes the next octets."""
        self._all.update(chunk)
        self._size += len(chunk)
        if self._in_header:
            self._update_header(chunk)

    def _update_header(self, chunk: bytes) -> None:
        joined = self._tail + chunk
        end = joined.find(_END_OF_HEADER)
        self._in_header = end < 0
        # The last octet waits when it may be the first of the empty line, which is not hashed.
        ready = end + 2 if end >= 0 else len(joined) - joined.endswith(b"\r\n\r")
        self._take(joined[self._hashed : ready])
        self._tail = joined[-3:]
        self._hashed = len(self._tail) - (len(joined) - ready)

    def _take(self, header: bytes) -> None:
        self._header.update(header)
        if len(self._probe) < _HEADER_PROBE:
            self._probe += header

    def result(self) -> Fingerprint:
        """The fingerprint of everything fed so far."""
        if self._in_header:
            self._take(self._tail[self._hashed :])
            self._hashed = len(self._tail)
        header = bytes(self._probe).lower()
        return Fingerprint(
            digest=self._all.hexdigest(),
            header_digest=self._header.hexdigest(),
            size=self._size,
            identifiable=b"\nmessage-id:" in header or b"\nreceived:" in header,
        )
