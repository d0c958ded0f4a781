"""What each kind of record does to a ledger that is replayed (``replay.py``)."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from archiver.errors import IntegrityError
from archiver.format import ChainHead, account_json, origin_text, parse_mail_key
from archiver.format.records import (
    AccountSays,
    Archived,
    BatchName,
    Deleted,
    Gone,
    Held,
    Linked,
    ListedAgain,
    Moved,
    Record,
    Released,
    SharedHeader,
    Vanished,
)
from archiver.ledger.database import Ledger
from archiver.ledger.replay_held import Waiting
from archiver.model import Kind, Locator, Proof

_MOST_REMEMBERED = 10_000
_THIS = "account_id = ? AND uidl IS ? AND digest = ?"


class AccountState:
    """One account's rows, inside whatever transaction the ledger is in.

    Args:
        ledger: the ledger.
        name: the account's id.
        store_url: the store.

    ``row`` is the account's, ``messages`` counts its messages and links.
    """

    def __init__(self, ledger: Ledger, name: str, store_url: str) -> None:
        self._db = ledger.database.conn
        self._name = name
        self._batches: dict[BatchName, int] = {}
        self._ends: dict[int, int] = {}
        self._places: dict[str, int] = {}
        self._takes: dict[type, Callable[[Any], None]] = {
            Archived: self._archived,
            Linked: self._linked,
            AccountSays: self._account,
            ListedAgain: self._listed,
            Vanished: self._vanished,
            Deleted: self._deleted,
            Gone: self._gone,
            Held: lambda said: self._waiting.hold(said),
            Released: lambda said: self._waiting.release(said),
            Moved: self._moved,
            SharedHeader: self._shared_header,
        }
        db = self._db
        db.execute("INSERT OR IGNORE INTO stores (url) VALUES (?)", (store_url,))
        db.execute(
            "INSERT OR IGNORE INTO accounts (name, host, store_id)"
            " SELECT ?, '', id FROM stores WHERE url = ?",
            (name, store_url),
        )
        self.row, self._store, self._described = db.execute(
            "SELECT a.id, s.id, a.described NOTNULL FROM accounts a"
            " JOIN stores s ON s.id = a.store_id WHERE a.name = ? AND s.url = ?",
            (name, store_url),
        ).fetchone()
        self._waiting = Waiting(db, self.row)
        self.messages = db.execute(
            "SELECT count(*) FROM messages WHERE account_id = ?", (self.row,)
        ).fetchone()[0]

    @property
    def host(self) -> str:
        """The account's server, as far as it is known by now."""
        found = self._db.execute("SELECT host FROM accounts WHERE id = ?", (self.row,))
        return str(found.fetchone()[0])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Takes back all that was done inside, when that fails."""
        self._db.execute("SAVEPOINT manifest")
        messages = self.messages
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO manifest")
            self.messages = messages
            self._forget()
            raise
        finally:
            self._db.execute("RELEASE manifest")

    def _forget(self) -> None:
        self._batches.clear()
        self._ends.clear()
        self._places.clear()

    def take(self, record: Record) -> None:
        """Does what a record says; ``checkpoint`` concerns only whoever reads the chain.

        Raises:
            IntegrityError: it names what belongs to another account.
        """
        take = self._takes.get(type(record))
        if take is not None:
            take(record)

    def _archived(self, said: Archived) -> None:
        batch = self._own_batch(said.batch, said.archived_at)
        digest = bytes.fromhex(said.digest)
        here = (self.row, said.uidl, digest)
        found = self._db.execute(f"SELECT id, offset FROM messages WHERE {_THIS}", here).fetchone()
        if found is not None and found[1] is not None:
            self._listed(ListedAgain(said.uidl, said.digest, said.listed_size))
        else:
            if found is not None:
                self._db.execute("DELETE FROM messages WHERE id = ?", (found[0],))
                self.messages -= 1
            self._insert(said, digest, batch)
        self._copy(Kind.RAW, digest, said.raw, said.proof, said.archived_at)
        for position, part in enumerate(said.parts):
            named = bytes.fromhex(part.digest)
            self._db.execute(
                "INSERT OR IGNORE INTO parts (account_id, digest, position, part_digest)"
                " VALUES (?, ?, ?, ?)",
                (self.row, digest, position, named),
            )
            self._copy(Kind.PART, named, part.locator, part.proof or said.proof, said.archived_at)
        if not self._described:
            # Older writers said it only here.
            self._db.execute(
                "UPDATE accounts SET host = coalesce(?, host), utf8 = ? WHERE id = ?",
                (said.host, said.utf8, self.row),
            )

    def _insert(self, said: Archived, digest: bytes, batch: int) -> None:
        self.messages += 1
        offset = self._ends[batch]
        self._ends[batch] = offset + said.size
        self._db.execute(
            "INSERT INTO messages (account_id, uidl, listed_size, stage, listed_at, digest,"
            " header_digest, batch_id, offset, length, fetched_at, anomalies, source)"
            " VALUES (?, ?, ?, 'archived', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.row,
                said.uidl,
                said.listed_size,
                said.fetched_at,
                digest,
                bytes.fromhex(said.header_digest),
                batch,
                offset,
                said.size,
                said.fetched_at,
                json.dumps(said.anomalies) if said.anomalies else None,
                origin_text(said.origin),
            ),
        )

    def _copy(self, kind: Kind, digest: bytes, locator: Locator, proof: Proof, at: int) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO copies (account_id, store_id, kind, digest, batch_id, length,"
            " etag, version_id, proof, uploaded_at, proven_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.row,
                self._store,
                kind,
                digest,
                self._place(locator, at),
                locator.length,
                locator.etag,
                locator.version_id,
                proof,
                at,
                at,
            ),
        )

    def _linked(self, said: Linked) -> None:
        digest = bytes.fromhex(said.digest)
        here = (self.row, said.uidl, digest)
        if self._db.execute(f"SELECT 1 FROM messages WHERE {_THIS}", here).fetchone():
            self._listed(ListedAgain(said.uidl, said.digest, said.listed_size))
            return
        self.messages += 1
        at = said.archived_at or 0
        # An older writer did not say which batch it was: all of such links are one.
        batch = said.batch or BatchName("1970-01-01", f"links-{self._name}")
        self._db.execute(
            "INSERT INTO messages (account_id, uidl, listed_size, stage, listed_at, digest,"
            " batch_id) VALUES (?, ?, ?, 'linked', ?, ?, ?)",
            (self.row, said.uidl, said.listed_size, at, digest, self._own_batch(batch, at)),
        )

    def _account(self, said: AccountSays) -> None:
        self._described = True
        self._db.execute(
            "UPDATE accounts SET utf8 = coalesce(?, utf8), distrusted = coalesce(distrusted, ?),"
            " retires = iif(? OR (retires AND host = ?), 1, NULL), host = ?, described = ?"
            " WHERE id = ?",
            (
                said.utf8,
                said.distrusted,
                said.retires,
                said.host,
                said.host,
                json.dumps(account_json(said)),
                self.row,
            ),
        )

    def _listed(self, said: ListedAgain) -> None:
        self._db.execute(
            "UPDATE messages SET stage = iif(offset IS NULL, 'linked', 'archived'),"
            f" listed_size = ?, said = NULL, left_at = NULL WHERE {_THIS}",
            (said.listed_size, *self._here(said)),
        )

    def _vanished(self, said: Vanished) -> None:
        self._db.execute(f"UPDATE messages SET stage = 'vanished' WHERE {_THIS}", self._here(said))

    def _deleted(self, said: Deleted) -> None:
        self._db.execute(
            f"UPDATE messages SET stage = 'delete_sent', said = ?, left_at = ? WHERE {_THIS}",
            (said.said or "", said.at, *self._here(said)),
        )

    def _gone(self, said: Gone) -> None:
        self._db.execute(
            f"UPDATE messages SET stage = 'gone', left_at = ? WHERE {_THIS}",
            (said.at, *self._here(said)),
        )

    def _here(self, said: ListedAgain | Vanished | Deleted | Gone) -> tuple[Any, ...]:
        return self.row, said.uidl, bytes.fromhex(said.digest)

    def _moved(self, said: Moved) -> None:
        at = said.at or 0
        self._db.execute(
            "INSERT INTO copies (account_id, store_id, kind, digest, batch_id, length, etag,"
            " version_id, proof, uploaded_at, proven_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (account_id, store_id, kind, digest) DO UPDATE SET"
            " batch_id = excluded.batch_id, length = excluded.length, etag = excluded.etag,"
            " version_id = excluded.version_id, proof = excluded.proof,"
            " uploaded_at = excluded.uploaded_at, proven_at = excluded.proven_at",
            (
                self.row,
                self._store,
                said.what,
                bytes.fromhex(said.digest),
                self._place(said.locator, at),
                said.locator.length,
                said.locator.etag,
                said.locator.version_id,
                said.proof or Proof.READ,
                at,
                at,
            ),
        )

    def _shared_header(self, said: SharedHeader) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO shared_headers (account_id, header_digest) VALUES (?, ?)",
            (self.row, bytes.fromhex(said.header_digest)),
        )

    def _own_batch(self, batch: BatchName, at: int) -> int:
        """The row of a batch that messages or links were spooled in."""
        row = self._batches.get(batch)
        if row is not None and row in self._ends:
            return row
        row = self._batch(batch, at)
        # Until now another batch may have named a part in it, and its time for want of this one.
        self._db.execute(
            "UPDATE batches SET archived_at = ? WHERE id = ?"
            " AND NOT EXISTS (SELECT 1 FROM messages WHERE batch_id = ?)",
            (at, row, row),
        )
        self._ends[row] = self._db.execute(
            "SELECT coalesce(max(offset + length), 0) FROM messages WHERE batch_id = ?", (row,)
        ).fetchone()[0]
        return row

    def _place(self, locator: Locator, at: int) -> int:
        """The row of the batch under whose prefix an object lies."""
        prefix = locator.key.rpartition("/")[0]
        row = self._places.get(prefix)
        if row is None:
            found = parse_mail_key(locator.key)
            if found is None or found.account != self._name:
                raise IntegrityError(f"{locator.key[:200]} is not of account {self._name}")
            row = self._batch(BatchName(found.day, found.batch), at)
            self._places[prefix] = row
        return row

    def _batch(self, batch: BatchName, at: int) -> int:
        if len(self._batches) >= _MOST_REMEMBERED:
            self._forget()
        self._db.execute(
            "INSERT OR IGNORE INTO batches (name, account_id, day, segment, octets, spooled_at,"
            " uploaded_at, archived_at) VALUES (?, ?, ?, '', 0, ?, ?, ?)",
            (batch.name, self.row, batch.day, at, at, at),
        )
        row, owner, day = self._db.execute(
            "SELECT id, account_id, day FROM batches WHERE name = ?", (batch.name,)
        ).fetchone()
        if (owner, day) != (self.row, batch.day):
            raise IntegrityError(f"batch {batch} was named before, by another account or day")
        self._batches[batch] = int(row)
        return int(row)

    def complete(self, heads: Iterable[tuple[str, int, ChainHead]], now: int) -> int:
        """See ``replay.AccountReplay.finish``."""
        db = self._db
        links = "account_id = ? AND offset IS NULL AND digest NOTNULL"
        dropped = db.execute(
            f"DELETE FROM messages WHERE {links} AND NOT EXISTS (SELECT 1 FROM messages m"
            " WHERE m.account_id = messages.account_id AND m.digest = messages.digest"
            " AND m.offset NOTNULL)",
            (self.row,),
        ).rowcount
        db.execute(
            "UPDATE messages SET header_digest = (SELECT m.header_digest FROM messages m"
            " WHERE m.account_id = messages.account_id AND m.digest = messages.digest"
            f" AND m.offset NOTNULL) WHERE {links} AND header_digest IS NULL",
            (self.row,),
        )
        self._waiting.settle()
        for writer, at, head in heads:
            db.execute(
                "INSERT OR REPLACE INTO manifests (account_id, store_id, writer, sequence, digest,"
                " drafted_at, proven_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    self.row,
                    self._store,
                    writer,
                    head.sequence,
                    bytes.fromhex(head.digest),
                    at,
                    now,
                ),
            )
        return int(dropped)
