"""One account's way back: its newest checkpoint, and the manifests behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archiver.chains import Break, Chain, ChainReader
from archiver.errors import IntegrityError, UnknownFormat
from archiver.format import ChainHead, parse_manifest_key
from archiver.ledger.replay import AccountReplay, Replay
from archiver.model import Clock, Reporter
from archiver.store import Store
from archiver.verbs.rebuild.checkpoint import Checkpoints
from archiver.verbs.rebuild.snapshot import is_in_chains

Heads = dict[str, tuple[int, ChainHead]]
"""By writer, the link of a chain up to which it is known, and when that was drafted."""


@dataclass(slots=True)
class AccountRebuilt:
    """What came of an account.

    Attributes:
        account: its id.
        row: its row in the ledger.
        host: its server, as the manifests name it.
        messages: how many messages and links its ledger has.
        manifests: how many manifests were read.
        checkpoint: the key of the one that they follow, None where they follow none.
        snapshot: when the copy of the ledger was taken that they follow, None for none.
        dropped: links to octets that nothing named; such messages are fetched again.
        breaks: where its chains do not hold.
        head: the digest of the newest manifest, None where none could be read.
        seconds: how long it took.
    """

    account: str
    row: int = 0
    host: str = ""
    messages: int = 0
    manifests: int = 0
    checkpoint: str | None = None
    snapshot: str | None = None
    dropped: int = 0
    breaks: list[Break] = field(default_factory=list)
    head: str | None = None
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether everything that was ever told is known again."""
        return not self.breaks and not self.dropped


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """What the accounts of a rebuild share; ``directory`` holds a checkpoint while it is read."""

    store: Store
    directory: Path
    reporter: Reporter
    clock: Clock

    def account(
        self, replay: Replay, name: str, chains: Sequence[Chain], snapshot: str | None
    ) -> AccountRebuilt:
        """Replays an account.

        Args:
            replay: the ledger.
            name: the account's id.
            chains: its chains, as the store has them.
            snapshot: when a copy of a ledger was taken that the ledger is, None if it is none.

        Raises:
            UnknownFormat: a newer version wrote some of it.
            StoreError: the store cannot be reached or refuses.
        """
        began = self.clock.monotonic()
        done = AccountRebuilt(name)
        heads = self._snapshot(replay, done, snapshot)
        if not heads:
            replay.forget(name)
        if not heads or _has_newer(chains, heads):
            heads = self._checkpoint(replay, done, chains, heads)
        account = replay.account(name)
        begin = {writer: head for writer, (_, head) in heads.items()}
        with ChainReader(self.store, done.breaks.append) as reader:
            for link in reader.joined([(each, begin.get(each.writer)) for each in chains]):
                self._tell(done, account)
                try:
                    account.apply(link.manifest, link.name)
                except UnknownFormat:
                    raise
                except IntegrityError as error:
                    reader.damaged(link, error)
                done.manifests += 1
            heads |= reader.heads
        newest = sorted(heads.items(), key=lambda item: (item[1][0], item[0]))
        in_order = [(writer, at, head) for writer, (at, head) in newest]
        done.dropped = account.finish(in_order, self.clock.now())
        done.row = account.row
        done.host = account.host
        done.messages = account.messages
        done.head = in_order[-1][2].digest if in_order else None
        done.seconds = self.clock.monotonic() - began
        self.reporter.progress(name, "rebuild", done.messages, done.messages)
        return done

    def _snapshot(self, replay: Replay, done: AccountRebuilt, snapshot: str | None) -> Heads:
        """The links up to which the ledger knows the account already; none where it does not."""
        if snapshot is None:
            return {}
        heads = replay.told_up_to(done.account)
        if heads is None or not is_in_chains(self.store, done.account, heads):
            self.reporter.note(
                done.account,
                f"the copy of the ledger of {snapshot} is passed over: it does not fit the chains",
            )
            return {}
        done.snapshot = snapshot
        return heads

    def _checkpoint(
        self, replay: Replay, done: AccountRebuilt, chains: Sequence[Chain], known: Heads
    ) -> Heads:
        """Has the best checkpoint restate the account, unless it is ``known`` further already.

        Returns:
            The links up to which the account is known then.
        """

        def note(text: str) -> None:
            self.reporter.note(done.account, text)

        for opened in Checkpoints(self.store, chains, note).open(self.directory):
            if not _is_behind(opened.checkpoint.head.covers, known):
                continue
            # Behind a copy of the ledger the chain may be broken, and made good by a checkpoint.
            replay.forget(done.account)
            done.snapshot, known = None, {}
            account = replay.account(done.account)
            try:
                for _ in account.restate(opened.checkpoint, opened.key):
                    self._tell(done, account)
            except UnknownFormat:
                raise
            except IntegrityError as error:
                note(f"checkpoint {opened.key} is passed over: {error.message}")
                replay.forget(done.account)
                continue
            done.checkpoint = opened.key
            head = opened.checkpoint.head
            heads = {writer: (0, link) for writer, link in head.covers.items()}
            return heads | {head.writer: (head.at or 0, head.covers[head.writer])}
        return known

    def _tell(self, done: AccountRebuilt, account: AccountReplay) -> None:
        """How far it has come."""
        self.reporter.progress(done.account, "rebuild", account.messages, None)


def _has_newer(chains: Sequence[Chain], known: Heads) -> bool:
    """Whether there are checkpoints behind the links up to which an account is known."""
    last = {writer: head.sequence for writer, (_, head) in known.items()}
    keys = [parse_manifest_key(key) for chain in chains for key in chain.checkpoints]
    return any(key is not None and key.sequence > last.get(key.writer, 0) for key in keys)


def _is_behind(covers: Mapping[str, ChainHead], known: Heads) -> bool:
    """Whether what a checkpoint covers goes further than what is known, in every chain."""
    return all(
        writer in covers and covers[writer].sequence >= head.sequence
        for writer, (_, head) in known.items()
    )
