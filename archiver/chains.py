"""The chains of manifests in a store: which there are, and what each says, link by link.

Each writer has a chain of its own for an account: sequence numbers from 1, each manifest naming the
stored octets of the one before. Where a chain is broken the reader says so and goes on behind the
break. Chains of one account are joined by the times of their manifests, so that the order in which
they are found does not matter.

Manifests are fetched some ahead, and large ones streamed, so that memory does not grow with them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import merge
from types import TracebackType
from typing import Self

from archiver.errors import IntegrityError, UnknownFormat
from archiver.format import (
    MANIFESTS_PREFIX,
    ChainHead,
    Hear,
    StoredManifest,
    manifest_key,
    manifest_prefix,
    parse_manifest_key,
)
from archiver.store import ObjectMissing, Store

_AHEAD = 4
_THREADS = 8
_MOST_HELD = 8 << 20
_SHOWN = 10


class Fault(StrEnum):
    """How a chain does not hold.

    ``MISSING``: a link, or several, are not there. ``DAMAGED``: one cannot be read. ``MISPLACED``:
    what lies there belongs elsewhere. ``UNLINKED``: it does not name the one before it.
    """

    MISSING = "missing"
    DAMAGED = "damaged"
    MISPLACED = "misplaced"
    UNLINKED = "unlinked"


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold; ``what`` says what is wrong there, for a person.

    ``count`` is how many links are missing, from ``sequence`` on; 1 for any other fault.
    """

    account: str
    writer: str
    sequence: int
    what: str
    fault: Fault
    count: int = 1

    def __str__(self) -> str:
        return f"{self.account}: {self.what}"


@dataclass(slots=True)
class Chain:
    """A writer's chain for an account, as a listing shows it.

    ``runs`` are the sequence numbers that are there, as ranges without a gap inside, in order;
    ``checkpoints`` the keys of the checkpoints beside it, the oldest first.
    """

    account: str
    writer: str
    runs: list[range] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The highest sequence number, 0 where there is none."""
        return self.runs[-1].stop - 1 if self.runs else 0

    def add(self, sequence: int) -> None:
        """Takes the next sequence number of a listing."""
        if sequence == self.last + 1 and self.runs:
            self.runs[-1] = range(self.runs[-1].start, sequence + 1)
        else:
            self.runs.append(range(sequence, sequence + 1))

    def count(self, after: int = 0) -> int:
        """How many manifests there are behind sequence number ``after``."""
        return sum(len(range(max(run.start, after + 1), run.stop)) for run in self.runs)


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies below ``manifests/``: chains by account and writer, and names that are not ours.

    ``foreign`` counts those, ``some_foreign`` are the first of them.
    """

    chains: tuple[Chain, ...]
    foreign: int
    some_foreign: tuple[str, ...]

    def accounts(self) -> list[str]:
        """The accounts of which there are manifests, in order."""
        return sorted({chain.account for chain in self.chains})

    def of(self, account: str) -> list[Chain]:
        """The chains of an account."""
        return [chain for chain in self.chains if chain.account == account]


def survey(store: Store, account: str | None = None) -> Survey:
    """Lists the manifests of a store, those of one account if it is named.

    Raises:
        StoreError: the store cannot be reached or refuses.
    """
    chains: dict[tuple[str, str], Chain] = {}
    foreign = 0
    shown: list[str] = []
    for stat in store.list(MANIFESTS_PREFIX if account is None else manifest_prefix(account)):
        key = parse_manifest_key(stat.key)
        if key is None:
            foreign += 1
            if len(shown) < _SHOWN:
                shown.append(stat.key)
            continue
        place = (key.account, key.writer)
        chain = chains.setdefault(place, Chain(*place))
        if key.checkpoint is None:
            chain.add(key.sequence)
        else:
            chain.checkpoints.append(stat.key)
    return Survey(tuple(chains.values()), foreign, tuple(shown))


@dataclass(frozen=True, slots=True)
class Link:
    """A manifest at its place in a chain; iterating ``manifest`` gives its records.

    ``name`` is what to call it; ``at`` is when it was drafted, in seconds since the epoch, and
    never before the one before it. ``heard`` was given its lines, where the reader has ``listen``.
    """

    name: str
    at: int
    manifest: StoredManifest
    heard: Hear | None = None


class ChainReader:
    """Reads chains of a store; to be closed, or used as a context.

    Args:
        store: the store.
        broken: hears of every break.
        listen: makes for each manifest what is given its lines.

    ``heads`` has for each writer whose chain was read its last readable link, and when it was.
    """

    def __init__(
        self,
        store: Store,
        broken: Callable[[Break], None],
        listen: Callable[[], Hear] | None = None,
    ) -> None:
        self._store = store
        self._broken = broken
        self._listen = listen
        self._pool = ThreadPoolExecutor(_THREADS, "manifests")
        self.heads: dict[str, tuple[int, ChainHead]] = {}

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Fetches no further."""
        self._pool.shutdown(cancel_futures=True)

    def joined(self, chains: Iterable[tuple[Chain, ChainHead | None]]) -> Iterator[Link]:
        """The manifests of several chains of an account, by their times.

        Args:
            chains: each with the link behind which to begin, None to read all of it.

        Each is to be taken whole before the next; where its records raise IntegrityError, the
        caller passes that to ``damaged``.
        """
        return merge(
            *(self.links(chain, after) for chain, after in chains),
            key=lambda link: (link.at, link.manifest.head.writer),
        )

    def links(self, chain: Chain, after: ChainHead | None = None) -> Iterator[Link]:
        """The readable manifests of a chain, in order; see ``joined``.

        Raises:
            UnknownFormat: a newer version wrote one of them.
            StoreError: the store cannot be reached or refuses.
        """
        expected = 1 if after is None else after.sequence + 1
        previous = None if after is None else after.digest
        at = 0
        for sequence, chunks in self._fetched(chain, expected):
            if sequence > expected:
                count = sequence - expected
                self._tell(chain, expected, _missing(count), Fault.MISSING, count)
                previous = ""
            expected = sequence + 1
            heard = self._listen() if self._listen is not None else None
            manifest = self._opened(chain, sequence, chunks, heard)
            if manifest is None:
                previous = ""
                continue
            if previous not in ("", manifest.head.previous):
                what = "does not follow the manifest before it"
                self._tell(chain, sequence, what, Fault.UNLINKED)
            at = max(at, manifest.head.at or 0)
            yield Link(_name(chain.writer, sequence), at, manifest, heard)
            previous = manifest.digest
            if previous:
                self.heads[chain.writer] = (at, ChainHead(sequence, previous))

    def damaged(self, link: Link, error: IntegrityError) -> None:
        """Tells that the records of a manifest turned out to be damaged."""
        head = link.manifest.head
        self._broken(Break(head.account, head.writer, head.sequence, error.message, Fault.DAMAGED))

    def _opened(
        self, chain: Chain, sequence: int, chunks: Iterable[bytes], heard: Hear | None
    ) -> StoredManifest | None:
        try:
            manifest = StoredManifest(chunks, _name(chain.writer, sequence), heard)
        except UnknownFormat:
            raise
        except ObjectMissing:
            self._tell(chain, sequence, "was listed, and is not there", Fault.MISSING)
            return None
        except IntegrityError as error:
            self._broken(Break(chain.account, chain.writer, sequence, error.message, Fault.DAMAGED))
            return None
        head = manifest.head
        if (head.account, head.writer, head.sequence) != (chain.account, chain.writer, sequence):
            itself = f"{_name(head.writer, head.sequence)} of {head.account}"
            self._tell(chain, sequence, f"has in its place {itself}", Fault.MISPLACED)
            return None
        return manifest

    def _tell(self, chain: Chain, sequence: int, what: str, fault: Fault, count: int = 1) -> None:
        name = _name(chain.writer, sequence)
        found = Break(chain.account, chain.writer, sequence, f"{name} {what}", fault, count)
        self._broken(found)

    def _fetched(self, chain: Chain, begin: int) -> Iterator[tuple[int, Iterable[bytes]]]:
        """The stored octets of each manifest from ``begin`` on, some fetched ahead."""
        waiting: deque[tuple[int, Future[list[bytes] | None]]] = deque()
        for sequence in _numbers(chain, begin):
            if len(waiting) == _AHEAD:
                yield self._taken(chain, *waiting.popleft())
            waiting.append((sequence, self._pool.submit(self._fetch, chain, sequence)))
        while waiting:
            yield self._taken(chain, *waiting.popleft())

    def _fetch(self, chain: Chain, sequence: int) -> list[bytes] | None:
        """The octets of a manifest; None for one that is too large to be held."""
        chunks: list[bytes] = []
        held = 0
        for chunk in self._store.read(manifest_key(chain.account, chain.writer, sequence)):
            chunks.append(chunk)
            held += len(chunk)
            if held > _MOST_HELD:
                return None
        return chunks

    def _taken(
        self, chain: Chain, sequence: int, fetched: Future[list[bytes] | None]
    ) -> tuple[int, Iterable[bytes]]:
        return sequence, self._chunks(chain, sequence, fetched)

    def _chunks(
        self, chain: Chain, sequence: int, fetched: Future[list[bytes] | None]
    ) -> Iterator[bytes]:
        chunks = fetched.result()
        if chunks is None:
            yield from self._store.read(manifest_key(chain.account, chain.writer, sequence))
        else:
            yield from chunks


def _name(writer: str, sequence: int) -> str:
    return f"manifest {sequence} of writer {writer}"


def _numbers(chain: Chain, begin: int) -> Iterator[int]:
    for run in chain.runs:
        yield from range(max(run.start, begin), run.stop)


def _missing(count: int) -> str:
    return "is missing" if count == 1 else f"and {count - 1} behind it are missing"
