"""The checkpoints of an account: whether each is what the chain says, and what they make good."""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from archiver.errors import IntegrityError
from archiver.format import StoredCheckpoint, parse_manifest_key, parse_record
from archiver.format.records import CheckpointAt
from archiver.ledger.naming import Names
from archiver.store import ObjectMissing, Store
from archiver.verbs.audit.findings import Finding, Remark, Trouble
from archiver.verbs.audit.naming import take_names


class Checkpoints:
    """Takes the checkpoints that are there (``listed``) and those that links name, and checks.

    ``sound`` is how many were found to be what the chain says.
    """

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self.listed: list[str] = []
        self._named: dict[str, CheckpointAt] = {}
        self._sound: list[CheckpointAt] = []

    @property
    def sound(self) -> int:
        """How many there are that can be relied on."""
        return len(self._sound)

    def name(self, records: Iterable[CheckpointAt]) -> None:
        """Links that are vouched for name these."""
        self._named |= {record.key: record for record in records}

    def check(
        self, tell: Callable[[Finding], None], hold: Callable[[Finding, str, int], None]
    ) -> Mapping[str, int]:
        """Reads them all.

        Args:
            tell: takes remarks.
            hold: takes what is wrong with one, its writer, and the link that it stands behind.

        Returns:
            For each writer the last link whose content a sound checkpoint restates.

        Raises:
            StoreError: the store cannot be reached or refuses.
        """
        covered: dict[str, int] = {}
        for key, record in sorted(self._named.items()):
            trouble, what = self._look(key, record)
            if trouble is not None:
                writer = self._writer(key)
                facts = (("writer", writer), ("sequence", record.sequence), ("count", 1))
                found = Finding(trouble, self._account, key, what, facts)
                hold(found, writer, record.sequence)
                continue
            self._sound.append(record)
            for writer, link in self._opened(key).head.covers.items():
                covered[writer] = max(covered.get(writer, 0), link.sequence)
        for key in self.listed:
            if key not in self._named:
                what = "is a checkpoint that no manifest names"
                tell(Finding(Remark.CHECKPOINT_UNNAMED, self._account, key, what))
        return covered

    def restate(self, names: Names, tell: Callable[[Finding], None]) -> bool:
        """Has the newest sound checkpoint name what was live, where links that did are lost.

        Returns:
            Whether there is one, and it could be read.
        """
        if not self._sound:
            return False
        newest = max(self._sound, key=lambda record: self._opened(record.key).head.at or 0).key
        try:
            with names.whole():
                for record in self._opened(newest):
                    take_names(parse_record(record, newest), self._account, names)
        except IntegrityError as error:
            tell(Finding(Trouble.CHECKPOINT_DAMAGED, self._account, newest, error.message))
            return False
        return True

    def _writer(self, key: str) -> str:
        found = parse_manifest_key(key)
        return "" if found is None else found.writer

    def _look(self, key: str, record: CheckpointAt) -> tuple[Trouble | None, str]:
        hashed = hashlib.sha256()
        try:
            for chunk in self._store.read(key):
                hashed.update(chunk)
        except ObjectMissing:
            return Trouble.CHECKPOINT_MISSING, "is not there"
        if hashed.hexdigest() != record.digest:
            return Trouble.CHECKPOINT_DAMAGED, "holds other octets than its chain says"
        try:
            self._opened(key)
        except IntegrityError as error:
            return Trouble.CHECKPOINT_DAMAGED, error.message
        return None, ""

    def _opened(self, key: str) -> StoredCheckpoint:
        return StoredCheckpoint(self._store.read(key), key)
