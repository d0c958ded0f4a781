"""The chains of an account, link by link: whole, in place, signed, and as the ledger knows them.

What the links name goes into ``Names``. A fault in a chain is less grave where a later checkpoint
says again what was live: a rebuild begins there. So faults are held until all of an account was
read, and told as remarks where they are made good.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryFile

from archiver.chains import Break, Chain, ChainReader, Fault, Link
from archiver.errors import IntegrityError
from archiver.format import ChainHead, manifest_key, parse_record
from archiver.format.records import CheckpointAt
from archiver.ledger.naming import Names
from archiver.store import Store
from archiver.verbs.audit.checkpoints import Checkpoints
from archiver.verbs.audit.findings import Finding, Remark, Trouble
from archiver.verbs.audit.known import Known
from archiver.verbs.audit.naming import take_names
from archiver.verbs.audit.signatures import Heard, Unsigned, Vouching

_TROUBLES = {
    Fault.MISSING: Trouble.MANIFEST_MISSING,
    Fault.DAMAGED: Trouble.MANIFEST_DAMAGED,
    Fault.MISPLACED: Trouble.MANIFEST_MISPLACED,
    Fault.UNLINKED: Trouble.CHAIN_BROKEN,
}
_LOSE_NAMES = (*_TROUBLES.values(), Trouble.MANIFEST_REPLACED)


@dataclass(slots=True)
class ChainTally:
    """What was read of chains so far.

    Attributes:
        manifests: how many were read to their end.
        checkpoints: how many are what the chain says.
        heads: the last readable link of each chain, by account and writer.
        keys: how many manifests each public key signed.
        seen: of the digests that were asked for, those that were met.
        incomplete: accounts of which not all is known that manifests named.
    """

    manifests: int = 0
    checkpoints: int = 0
    heads: dict[tuple[str, str], ChainHead] = field(default_factory=dict)
    keys: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Demands:
    """What a person wants of the chains: public keys, one of which signed; digests of heads."""

    keys: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Held:
    """A finding about a writer's chain, which concerns no link behind ``last``."""

    finding: Finding
    writer: str
    last: int


class AccountChains:
    """Reads the chains of one account.

    Args:
        store: where they are.
        account: whose they are.
        names: takes what they name.
        known: what the local ledger knows of them.
        demands: see there.
        tally: is added to.
        watch: hears how many manifests were read, of this account and those before it.
    """

    def __init__(
        self,
        store: Store,
        account: str,
        names: Names,
        known: Known,
        demands: Demands,
        tally: ChainTally,
        watch: Callable[[int], None] = lambda done: None,
    ) -> None:
        self.store = store
        self.account = account
        self.names = names
        self.known = known
        self.demands = demands
        self.tally = tally
        self.watch = watch
        self.held: list[_Held] = []
        self.checkpoints = Checkpoints(store, account)

    def read(self, chains: Iterable[Chain], tell: Callable[[Finding], None]) -> None:
        """Reads them all, and tells what is to be said of them.

        Raises:
            StoreError: the store cannot be reached or refuses.
            UnknownFormat: a newer version wrote one of the manifests.
        """
        last = {}
        for chain in chains:
            last[chain.writer] = chain.last
            self.checkpoints.listed += chain.checkpoints
            _Reading(self, chain).read()
        self._miss_ends(last)
        covered = self.checkpoints.check(tell, self._hold)
        self.tally.checkpoints += self.checkpoints.sound
        if self.held and not self.checkpoints.restate(self.names, tell):
            covered = {}
        for held in self.held:
            self._tell(held, covered.get(held.writer, 0), tell)

    def _miss_ends(self, last: dict[str, int]) -> None:
        """Links that this machine wrote behind all that are there."""
        for writer, end in self.known.ends.items():
            there = last.get(writer, 0)
            if end > there:
                count = end - there
                words = "is" if count == 1 else f"and {count - 1} behind it are"
                what = f"{words} missing, which this machine wrote at the end of a chain"
                self.hold(Trouble.MANIFEST_MISSING, writer, there + 1, what, count)

    def _tell(self, held: _Held, covered: int, tell: Callable[[Finding], None]) -> None:
        found = held.finding
        if held.last <= covered:
            tell(Finding(Remark.RESTATED, found.account, found.key, found.what, found.facts))
            return
        if found.kind in _LOSE_NAMES:
            self.tally.incomplete.add(self.account)
        tell(found)

    def hold(self, kind: Trouble, writer: str, first: int, what: str, count: int = 1) -> None:
        """Keeps a finding until it is known whether a checkpoint makes it good."""
        key = manifest_key(self.account, writer, first)
        facts = (("writer", writer), ("sequence", first), ("count", count))
        self._hold(Finding(kind, self.account, key, what, facts), writer, first + count - 1)

    def _hold(self, found: Finding, writer: str, last: int) -> None:
        self.held.append(_Held(found, writer, last))


class _Reading:
    """Reads one chain of an account."""

    def __init__(self, of: AccountChains, chain: Chain) -> None:
        self._of = of
        self._chain = chain
        self._vouching = Vouching(of.demands.keys, self._unsigned)
        self._restated: list[CheckpointAt] = []
        # The links that the ledger says were replaced, and that which does not follow, last.
        self._replaced = 0
        self._unlinked: Break | None = None

    def read(self) -> None:
        """Reads it to its end."""
        of, chain = self._of, self._chain
        with (
            TemporaryFile() as kept,
            ChainReader(of.store, self._broken, partial(Heard, kept)) as reader,
        ):
            for link in reader.links(chain):
                assert isinstance(link.heard, Heard)
                try:
                    signature = link.heard.signature(self._take(link))
                except IntegrityError as error:
                    reader.damaged(link, error)
                    continue
                sequence = link.manifest.head.sequence
                self._judge_unlinked(sequence)
                self._compare(sequence, link.manifest.digest)
                if signature.bad:
                    of.hold(Trouble.SIGNATURE_BAD, chain.writer, sequence, signature.bad)
                if self._vouching.link(sequence, signature):
                    of.checkpoints.name(self._restated)
                    self._restated.clear()
            if chain.writer in reader.heads:
                of.tally.heads[of.account, chain.writer] = reader.heads[chain.writer][1]
        self._judge_unlinked(0)
        self._vouching.broken()
        of.tally.keys += self._vouching.keys
        self._tell_foreign()

    def _take(self, link: Link) -> int:
        """Takes what a manifest names, as a whole or not at all; counts its signatures."""
        signatures = 0
        checkpoints = []
        with self._of.names.whole():
            for record in link.manifest:
                if record["kind"] == "signature":
                    signatures += 1
                    continue
                said = parse_record(record, link.name)
                if isinstance(said, CheckpointAt):
                    checkpoints.append(said)
                take_names(said, self._of.account, self._of.names)
        self._restated += checkpoints
        self._of.tally.manifests += 1
        self._of.watch(self._of.tally.manifests)
        return signatures

    def _compare(self, sequence: int, digest: str) -> None:
        """Holds a link against what the ledger and the person know."""
        if digest in self._of.demands.heads:
            self._of.tally.seen.add(digest)
        writer = self._chain.writer
        if self._of.known.digest(writer, sequence) in (None, digest):
            return
        self._replaced, self._unlinked = sequence, None
        what = "is another one than this machine wrote there"
        self._of.hold(Trouble.MANIFEST_REPLACED, writer, sequence, what)

    def _broken(self, found: Break) -> None:
        self._vouching.broken()
        self._restated.clear()
        if found.fault is Fault.UNLINKED:
            self._note_unlinked(found)
            return
        trouble = _TROUBLES[found.fault]
        self._of.hold(trouble, found.writer, found.sequence, found.what, found.count)

    def _note_unlinked(self, found: Break) -> None:
        """A link that does not follow the one before: which of the two is not what it was?"""
        before = self._unlinked
        if before is not None and before.sequence == found.sequence - 1:
            # Neither follows nor is followed.
            self._unlinked = None
            what = "neither names the one before it nor is named by the one behind it"
            self._of.hold(Trouble.MANIFEST_REPLACED, found.writer, before.sequence, what)
        elif self._replaced != found.sequence - 1:
            self._judge_unlinked(0)
            self._unlinked = found

    def _judge_unlinked(self, sequence: int) -> None:
        """Comes to a link, or to an end (0): the next one to follow says who was in the right."""
        found = self._unlinked
        if found is None or found.sequence == sequence:
            return
        self._unlinked = None
        if found.sequence == sequence - 1:
            key = manifest_key(found.account, found.writer, found.sequence)
            what = f"is not the one that {key} was written behind, which has a good one behind it"
            self._of.hold(Trouble.MANIFEST_REPLACED, found.writer, found.sequence - 1, what)
        else:
            key = manifest_key(found.account, found.writer, found.sequence - 1)
            what = f"{found.what}, {key}"
            self._of.hold(Trouble.CHAIN_BROKEN, found.writer, found.sequence, what)

    def _unsigned(self, found: Unsigned) -> None:
        words = "is" if found.count == 1 else f"and {found.count - 1} behind it are"
        what = f"{words} not signed by a trusted key, and neither is what follows"
        self._of.hold(Trouble.UNSIGNED, self._chain.writer, found.first, what, found.count)

    def _tell_foreign(self) -> None:
        for key, found in self._vouching.foreign.items():
            what = f"is signed by {key}, as are {found.count - 1} behind it"
            if found.count == 1:
                what = f"is signed by {key}"
            self._of.hold(Trouble.SIGNER_UNKNOWN, self._chain.writer, found.first, what)
