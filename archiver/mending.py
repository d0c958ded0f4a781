"""Mending one account: damaged objects are put again, wherever their octets can still be had.

    octets found and hashed -> put under a new batch's prefix -> read back -> ledger says moved
    -> manifest says moved -> index told

The damaged object is neither overwritten nor removed. What is cut off leaves at most objects that
nothing names, or a batch that the next run archives.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from archiver.archiving import Archivist
from archiver.errors import ArchiverError, Interrupted, MessageError
from archiver.format import part_key, raw_key
from archiver.ledger import copies, moving
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.moving import Move
from archiver.ledger.naming import Damaged, Names
from archiver.ledger.unread import message_of
from archiver.model import Copy, Kind, Locator
from archiver.stages.fetch_job import FetchJob
from archiver.stages.read_back import read_back
from archiver.stages.recovery import Found, Recovery
from archiver.stages.recovery_session import fetch_again
from archiver.state.spool import batch_name
from archiver.store import Store
from archiver.workers import Read

_AT_ONCE = 500
_READ_AT_ONCE = 100
_UNKNOWN = (
    "the ledger of this machine does not know it: repair it on the one that archived it, or"
    " archiver rebuild first"
)


Lost = dict[str, list[Damaged]]
"""Damaged objects by the digest that they should have; two machines may have one each."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a finding: whether it is repaired, and how or why not.

    ``new`` is the key of the sound object, None where there is none.
    """

    account: str
    key: str
    done: bool
    how: str
    new: str | None = None


@dataclass(frozen=True, slots=True)
class Mending:
    """The means of mending an account, under its lock.

    Attributes:
        owner: the account.
        store: where its mail lies.
        names: what manifests name there, and what of it is damaged.
        directory: for octets on their way.
        archivist: writes the manifests.
        visit: how to get into its mailbox, which may ask a person for a password; raises
            ArchiverError where there is no way.
        index: whether there is an index that has to know where messages lie.
        stopping: whether the run was asked to end.
        tell: hears what became of each damaged object.
    """

    owner: LedgerAccount
    store: Store
    names: Names
    directory: Path
    archivist: Archivist
    visit: Callable[[], FetchJob]
    index: bool
    stopping: Callable[[], bool]
    tell: Callable[[Mended], None]

    def mend(self) -> None:
        """Repairs what can be repaired: messages first, since parts are made of them.

        Raises:
            Interrupted: the run was asked to end; what was repaired is.
            AlreadyRunning: another machine archives this account.
            StoreError: the store cannot be reached or refuses.
            LocalDiskError: there is no room for what is to be put again.
        """
        for kind in (Kind.RAW, Kind.PART):
            for page in self.names.damaged(self.owner.name, kind, _AT_ONCE):
                if self.stopping():
                    raise Interrupted("interrupted at a safe point")
                self._mend(kind, page)

    def _mend(self, kind: Kind, page: Sequence[Damaged]) -> None:
        self.archivist.hold(self.owner)
        lost = self._renounce(kind, page)
        found = list(self._look_near(lost))
        reason = "nothing holds its octets any more"
        left = lost.keys() - {one.digest for one in found}
        if left and kind is Kind.RAW:
            reason = self._ask_server(left, found)
        elif left:
            self._decode(left, found)
        done = self._put(kind, found, lost)
        for digest in lost.keys() - done:
            for damaged in lost[digest]:
                self._say(damaged, reason)

    def _renounce(self, kind: Kind, page: Sequence[Damaged]) -> Lost:
        """Has the ledger's sound copies take the place of others; gives what is left to look for.

        Two machines that archive one mailbox have a copy each.
        """
        lost: Lost = defaultdict(list)
        moves: list[Move] = []
        for damaged in page:
            named = damaged.named
            copy = copies.find(self.archivist.ledger, self.owner, kind, named.digest, proven=True)
            if copy is None:
                self._say(damaged, _UNKNOWN)
            elif copy.locator.key == named.locator.key or self.names.is_damaged(
                kind, named.digest, copy.locator.key
            ):
                lost[named.digest].append(damaged)
            else:
                moves.append(Move(copy, named.locator.key))
        if moves:
            now = self.archivist.clock.now()
            moving.renounce(self.archivist.ledger, self.owner, moves, now)
            self.archivist.chronicle(self.owner)
        for move in moves:
            new = move.copy.locator.key
            self.tell(Mended(self.owner.name, move.old, True, "its octets lie elsewhere", new))
        return lost

    def _say(self, damaged: Damaged, reason: str) -> None:
        self.tell(Mended(self.owner.name, damaged.named.locator.key, False, reason))

    def _look_near(self, lost: Lost) -> Iterable[Found]:
        """In the store, and in the spool."""
        recovery = self._recovery
        for digest, damaged in lost.items():
            found = recovery.in_store(damaged)
            for segment, offset, length in moving.spooled(
                self.archivist.ledger, self.owner, digest
            ):
                if found is None:
                    path = self.archivist.spool.path(segment)
                    found = recovery.in_segment(path, offset, length, digest)
            if found is not None:
                yield found

    def _ask_server(self, left: Iterable[str], found: list[Found]) -> str:
        """Has the mail server give what it still has; gives the reason for what it does not."""
        ledger, recovery = self.archivist.ledger, self._recovery
        offers = {digest: moving.offers(ledger, self.owner, digest) for digest in left}

        def take(digest: str, path: Path, length: int) -> None:
            found.append(Found.message(digest, path, length, "the mail server"))

        try:
            fetch_again(self.visit(), offers, recovery.file, take)
        except Interrupted:
            raise
        except ArchiverError as error:
            return f"the mail server was no help: {error.message}"
        return "neither the store nor the mail server has its octets any more"

    def _decode(self, left: Iterable[str], found: list[Found]) -> None:
        """Decodes parts anew from sound messages that have them."""
        ledger, recovery = self.archivist.ledger, self._recovery
        missing = set(left)
        for part, messages in moving.messages_with(ledger, self.owner, sorted(missing)).items():
            for message in messages:
                copy = copies.find(ledger, self.owner, Kind.RAW, message, proven=True)
                if part not in missing or copy is None:
                    continue
                now = self.archivist.clock.now()
                made = recovery.parts(message, copy.locator.key, missing, now)
                missing -= {one.digest for one in made}
                found += made

    def _put(self, kind: Kind, found: Sequence[Found], lost: Lost) -> set[str]:
        """Puts octets under a new batch's prefix and records it; gives the digests."""
        now = self.archivist.clock.now()
        batch, day = batch_name(now), f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
        key_of = raw_key if kind is Kind.RAW else part_key
        written: list[Copy] = []
        for one in found:
            key = key_of(self.owner.name, day, batch, one.digest)
            written += self._put_one(kind, key, one)
        proven = read_back(written, self.store, checksum=False).proven
        if not proven:
            return set()
        moves = [
            Move(copy, damaged.named.locator.key)
            for copy in proven
            for damaged in lost[copy.digest]
        ]
        moving.move(self.archivist.ledger, self.owner, batch, day, moves, now)
        self.archivist.archive(batch)
        if kind is Kind.RAW and self.index:
            self._tell_index([copy.digest for copy in proven])
        origins = {one.digest: one.origin for one in found}
        for move in moves:
            how = f"put again, from {origins[move.copy.digest]}"
            self.tell(Mended(self.owner.name, move.old, True, how, move.copy.locator.key))
        return {copy.digest for copy in proven}

    def _put_one(self, kind: Kind, key: str, found: Found) -> list[Copy]:
        try:
            stat = self.store.put(key, found.payload(), content_type=found.content_type)
        except MessageError:
            # The local disk changed it: that is no reason to give up the others.
            return []
        finally:
            found.path.unlink(missing_ok=True)
        locator = Locator(key, found.length, etag=stat.etag, version_id=stat.version_id)
        return [Copy(kind, found.digest, locator)]

    def _tell_index(self, digests: Sequence[str]) -> None:
        """Has the index name the new place, which it learns with a message's words."""
        ledger, root = self.archivist.ledger, self.archivist.spool.root
        unread = [message_of(ledger, self.owner, digest) for digest in digests]
        known = [replace(one, segment="") for one in unread if one is not None]
        for start in range(0, len(known), _READ_AT_ONCE):
            piece = tuple(known[start : start + _READ_AT_ONCE])
            self.archivist.worker.run(Read(root, piece), entries=self.archivist.entries)

    @property
    def _recovery(self) -> Recovery:
        return Recovery(self.store, self.names, self.directory)
