"""Who signed the manifests of a chain, and up to which link that is shown.

A signature is over all of a manifest, and so over the digest of the one before it: whoever signed a
link vouches for all before it, as long as the chain holds. Behind the last link that a trusted key
signed nothing is vouched for.
"""

import mmap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from json import loads
from typing import IO, Any

from archiver.signing import signer_of


@dataclass(frozen=True, slots=True)
class Signature:
    """What stands at the end of a manifest: the public key; ``bad`` says what does not hold."""

    key: str | None = None
    bad: str = ""


class Heard:
    """The lines of a manifest as they go by: on the disk, since they may be many.

    Args:
        kept: a file to keep them in; those of the manifest before are dropped.
    """

    def __init__(self, kept: IO[bytes]) -> None:
        kept.seek(0)
        kept.truncate()
        self._before = kept
        self._last: bytes | None = None

    def __call__(self, line: bytes) -> None:
        """The next line."""
        if self._last is not None:
            self._before.write(self._last + b"\n")
        self._last = line

    def signature(self, records: int) -> Signature:
        """What the last line says, once it was heard.

        Args:
            records: how many of the lines are signatures, of which there should be one at most.
        """
        if not records:
            return Signature()
        last: Any = loads(self._last or b"{}")
        if records > 1 or last.get("kind") != "signature":
            return Signature(bad="goes on behind its signature")
        self._before.flush()
        with (
            mmap.mmap(self._before.fileno(), 0, access=mmap.ACCESS_READ) as octets,
            memoryview(octets) as before,
        ):
            key = signer_of(last, before)
        return Signature(key, "" if key else "has a signature that does not fit")


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Links that nobody who is trusted vouches for: from ``first`` on, ``count`` of them."""

    first: int
    count: int


class Vouching:
    """Goes along a chain and keeps book of who vouches for its links.

    Args:
        trusted: the public keys that count; without any, all links count as vouched for.
        uncovered: hears of links for which nobody vouches.

    ``foreign`` counts signatures by other keys, with the first link that has one.
    """

    def __init__(self, trusted: frozenset[str], uncovered: Callable[[Unsigned], None]) -> None:
        self._trusted = trusted
        self._uncovered = uncovered
        self._first = 0
        self._count = 0
        self.foreign: dict[str, Unsigned] = {}
        self.keys: Counter[str] = Counter()

    def link(self, sequence: int, signature: Signature) -> bool:
        """The next link; whether all links since the last break are vouched for now."""
        key = signature.key
        if key is not None:
            self.keys[key] += 1
        if not self._trusted or key in self._trusted:
            self._count = 0
            return True
        if key is not None:
            before = self.foreign.get(key, Unsigned(sequence, 0))
            self.foreign[key] = Unsigned(before.first, before.count + 1)
        self._first = self._first if self._count else sequence
        self._count += 1
        return False

    def broken(self) -> None:
        """The chain does not hold, or ends: what comes behind says nothing of what was before."""
        if self._count:
            self._uncovered(Unsigned(self._first, self._count))
        self._count = 0
