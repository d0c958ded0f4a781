"""One account's way back: its newest checkpoint, and the manifests behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archiver.chains import Break, Chain, ChainReader
from archiver.errors import IntegrityError, Interrupted, UnknownFormat
from archiver.format import CheckpointHead
from archiver.ledger.replay import AccountReplay, Replay
from archiver.model import Clock, Reporter
from archiver.store import Store
from archiver.verbs.rebuild.checkpoint import Checkpoints


@dataclass(slots=True)
class AccountRebuilt:
    """What came of an account.

    Attributes:
        account: its id.
        row: its row in the ledger.
        host: its server, as the manifests name it.
        messages: how many messages and links its ledger has.
        manifests: how many manifests were read.
        checkpoint: the key of the one that they follow, None where all of them were read.
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
    stopping: Callable[[], bool]

    def account(self, replay: Replay, name: str, chains: Sequence[Chain]) -> AccountRebuilt:
        """Replays an account.

        Raises:
            UnknownFormat: a newer version wrote some of it.
            StoreError: the store cannot be reached or refuses.
            Interrupted: the rebuild was asked to end.
        """
        began = self.clock.monotonic()
        done = AccountRebuilt(name)
        account, begin = self._checkpoint(replay, done, chains)
        covers = {} if begin is None else begin.covers
        heads = {writer: (0, head) for writer, head in covers.items()}
        if begin is not None:
            heads[begin.writer] = (begin.at or 0, covers[begin.writer])
        with ChainReader(self.store, done.breaks.append) as reader:
            for link in reader.joined([(each, covers.get(each.writer)) for each in chains]):
                self._look_up(done, account)
                try:
                    account.apply(link.manifest, link.name)
                except UnknownFormat:
                    raise
                except IntegrityError as error:
                    reader.damaged(link, error)
                done.manifests += 1
            heads |= reader.heads
        newest = sorted(heads.items(), key=lambda item: (item[1][0], item[0]))
        in_order = [(writer, head) for writer, (_, head) in newest]
        done.dropped = account.finish(in_order, self.clock.now())
        done.row = account.row
        done.host = account.host
        done.messages = account.messages
        done.head = in_order[-1][1].digest if in_order else None
        done.seconds = self.clock.monotonic() - began
        self.reporter.progress(name, "rebuild", done.messages, done.messages)
        return done

    def _checkpoint(
        self, replay: Replay, done: AccountRebuilt, chains: Sequence[Chain]
    ) -> tuple[AccountReplay, CheckpointHead | None]:
        def note(text: str) -> None:
            self.reporter.note(done.account, text)

        for opened in Checkpoints(self.store, chains, note).open(self.directory):
            account = replay.account(done.account)
            try:
                for _ in account.restate(opened.checkpoint, opened.key):
                    self._look_up(done, account)
            except UnknownFormat:
                raise
            except IntegrityError as error:
                note(f"checkpoint {opened.key} is passed over: {error.message}")
                replay.forget(done.account)
                continue
            done.checkpoint = opened.key
            return account, opened.checkpoint.head
        return replay.account(done.account), None

    def _look_up(self, done: AccountRebuilt, account: AccountReplay) -> None:
        """Between two manifests: says how far it has come, and ends where that is wanted."""
        if self.stopping():
            raise Interrupted("interrupted; nothing was changed", hint="run it again")
        self.reporter.progress(done.account, "rebuild", account.messages, None)
