"""Replay: a ledger made from what manifests say, for a state directory that was lost.

Manifests are applied in the order of their times (``chains.py``), each as a whole or not at all,
so that a damaged one leaves nothing behind. Chains of several writers are joined:

- what any of them archived is archived, and where two archived the same message the first counts,
  with its copies; the other's lie in the store unnamed by the ledger, as duplicates;
- ``archived`` counts more than ``linked`` for the same message;
- what became of a message on the server is what was said last;
- an account that was ever distrusted stays so.

What a ledger knows beyond this comes back with the next listing, or is of one run only: messages
that were never archived, numbers of tries, logins and runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, Self

from archiver.format import ChainHead, parse_record
from archiver.ledger.database import Ledger
from archiver.ledger.replay_records import AccountState
from archiver.ledger.told import strip, told_up_to

_RECORDS_AT_ONCE = 10_000
_PRAGMAS = (
    "PRAGMA cache_size = -16384",  # KiB
    # Every reference is made here; a batch could otherwise not be removed without a long search.
    "PRAGMA foreign_keys = OFF",
)

# What is replayed has been told before, and some indexes are made faster over rows that are there.
_SET_ASIDE = (
    "SELECT name, type, sql FROM sqlite_master WHERE type = 'trigger'"
    " OR name IN ('messages_header', 'messages_problem', 'messages_delete_sent',"
    " 'batches_pending', 'batches_unread')"
)
_OF_ACCOUNT = (
    "events",
    "messages",
    "copies",
    "parts",
    "manifests",
    "shared_headers",
    "batches",
)


class Replay:
    """A ledger while manifests are applied to it; nobody else writes to it meanwhile.

    Args:
        ledger: an empty one, or one that knows what the manifests before said.
        store_url: the store that they lie in, as ledgers name it (``store.canonical_url``).
    """

    def __init__(self, ledger: Ledger, store_url: str) -> None:
        self._ledger = ledger
        self._db = ledger.database.conn
        self._store_url = store_url
        self._transaction = ExitStack()
        self._set_aside: list[tuple[str, str, str]] = []
        self._applied = 0

    def __enter__(self) -> Self:
        """Sets aside what only slows down, until the end."""
        for pragma in _PRAGMAS:
            self._ledger.scratch(pragma)
        self._set_aside = [*self._ledger.rows(_SET_ASIDE)]
        with self._ledger.write() as db:
            for name, kind, _ in self._set_aside:
                db.execute(f"DROP {kind} {name}")
        self._transaction.enter_context(self._ledger.write())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commits, and puts back what was set aside; after an error the ledger is not whole."""
        self._transaction.__exit__(kind, error, trace)
        if error is None:
            with self._ledger.write() as db:
                for _, _, sql in self._set_aside:
                    db.execute(sql)
            self._ledger.scratch("PRAGMA foreign_keys = ON")

    def account(self, name: str) -> "AccountReplay":
        """The account of this name, made where the ledger has none."""
        return AccountReplay(self, AccountState(self._ledger, name, self._store_url))

    def strip(self, names: Sequence[str]) -> None:
        """Leaves of a ledger's copy only what manifests in this store told of these accounts."""
        strip(self._db, names, self._store_url)

    def told_up_to(self, name: str) -> dict[str, tuple[int, ChainHead]] | None:
        """The links of an account's chains up to which the ledger knows what they say, by writer.

        Each with its time. None where it knows other things as well, and has to be forgotten.
        """
        return told_up_to(self._db, name, self._store_url)

    def forget(self, name: str) -> None:
        """Removes what the ledger knows of an account's messages in this store."""
        account = (
            "(SELECT a.id FROM accounts a JOIN stores s ON s.id = a.store_id"
            " WHERE a.name = ? AND s.url = ?)"
        )
        for table in _OF_ACCOUNT:
            self._db.execute(
                f"DELETE FROM {table} WHERE account_id = {account}", (name, self._store_url)
            )
        self._db.execute(
            "UPDATE accounts SET utf8 = NULL, distrusted = NULL, retires = NULL, described = NULL"
            f" WHERE id = {account}",
            (name, self._store_url),
        )

    def applied(self, records: int) -> None:
        """Counts records that were applied, and commits when there are many."""
        self._applied += records
        if self._applied >= _RECORDS_AT_ONCE:
            self._transaction.close()
            self._transaction.enter_context(self._ledger.write())
            self._applied = 0


class AccountReplay:
    """One account of a replay: what its manifests say, one after the other, and then its end."""

    def __init__(self, replay: Replay, state: AccountState) -> None:
        self._replay = replay
        self._state = state

    def apply(self, records: Iterable[Mapping[str, Any]], name: str) -> None:
        """Applies a manifest as a whole, or, where it turns out to be damaged, nothing of it.

        Args:
            records: what it says, as it streams in.
            name: what to call it where a record is damaged.

        Raises:
            IntegrityError: it is damaged, or says what cannot be.
        """
        with self._state.savepoint():
            count = self._take(records, name)
        self._replay.applied(count)

    def restate(self, records: Iterable[Mapping[str, Any]], name: str) -> Iterator[None]:
        """Applies a checkpoint of any size, in several transactions; to be iterated to its end.

        Raises:
            IntegrityError: it is damaged, or says what cannot be; what is applied already is to
                be forgotten (``Replay.forget``).
        """
        stream = iter(records)
        while count := self._take(islice(stream, _RECORDS_AT_ONCE), name):
            self._replay.applied(count)
            yield

    @property
    def row(self) -> int:
        """The account's row in the ledger."""
        return int(self._state.row)

    @property
    def host(self) -> str:
        """The account's server, as far as it is known by now."""
        return str(self._state.host)

    @property
    def messages(self) -> int:
        """How many messages and links the account has by now."""
        return int(self._state.messages)

    def _take(self, records: Iterable[Mapping[str, Any]], name: str) -> int:
        count = 0
        for record in records:
            said = parse_record(record, name)
            if said is not None:
                self._state.take(said)
            count += 1
        return count

    def finish(self, heads: Iterable[tuple[str, int, ChainHead]], now: float) -> int:
        """Completes the account, once everything was applied.

        Args:
            heads: the last link of each chain, with its writer and time, the newest last.
            now: the time, in seconds since the epoch.

        Returns:
            How many links led to octets that nothing named, and were dropped: such a message is
            fetched again.
        """
        dropped = self._state.complete(heads, int(now))
        self._replay.applied(_RECORDS_AT_ONCE)
        return dropped
