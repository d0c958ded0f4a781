"""Which batch puts which part: each part of an account is put once, whoever meets it first."""

import threading
from collections.abc import Iterable


class Claims:
    """Grants parts to batches, for as long as they are under way.

    A batch with a message whose part another batch is putting waits with its manifest until that
    one is recorded.
    """

    def __init__(self) -> None:
        self._holders: dict[tuple[str, str], str] = {}
        self._changed = threading.Condition()

    def grant(self, account: str, digest: str, batch: str) -> bool:
        """Whether nobody puts this part yet; from now on ``batch`` does."""
        with self._changed:
            free = (account, digest) not in self._holders
            if free:
                self._holders[account, digest] = batch
            return free

    def drop(self, batch: str) -> None:
        """Takes back what a batch was granted: it is recorded, or it will not come."""
        with self._changed:
            self._holders = {key: held for key, held in self._holders.items() if held != batch}
            self._changed.notify_all()

    def wait(self, account: str, digests: Iterable[str], batch: str) -> None:
        """Waits until no other batch is putting any of these parts."""
        keys = {(account, digest) for digest in digests}
        with self._changed:
            while any(self._holders.get(key, batch) != batch for key in keys):
                self._changed.wait()
