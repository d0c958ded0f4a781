"""What the local ledger knows of an account's chains in a store: nothing, where there is none."""

from collections.abc import Mapping

from archiver.ledger import Ledger, manifests
from archiver.ledger.accounts import LedgerAccount


class Known:
    """A view of the ledger as it was when the audit began; what is written later does not count.

    Args:
        ledger: the ledger; None where there is none, or it does not know the account.
        owner: the account, as it is archived into this store.

    ``ends`` is for each writer the last link that is proven.
    """

    def __init__(self, ledger: Ledger | None = None, owner: LedgerAccount | None = None) -> None:
        self._ledger = ledger
        self._owner = owner
        self.ends: Mapping[str, int] = {}
        if ledger is not None and owner is not None:
            self.ends = manifests.proven_ends(ledger, owner)

    def digest(self, writer: str, sequence: int) -> str | None:
        """The digest of a proven link; None where the ledger does not know it."""
        if self._ledger is None or self._owner is None or sequence > self.ends.get(writer, 0):
            return None
        return manifests.proven_digest(self._ledger, self._owner, writer, sequence)
