"""What can go wrong, in the words of the person who has to act on it.

Every failure that the program expects is one of these classes. Each answers three questions on
its own: which exit code it means (the table is in README.md), how much of the work it ends (its
scope), and what to do next (its hint). Anything else that escapes is a bug and exits 1.
"""

from enum import StrEnum


class Scope(StrEnum):
    """How much of the work a failure ends; whatever lies outside goes on."""

    MESSAGE = "message"
    SESSION = "session"
    ACCOUNT = "account"
    STORE = "store"
    RUN = "run"


class ArchiverError(Exception):
    """The root of every expected failure.

    Args:
        message: one line that says what is wrong, without a full stop at its end.
        hint: one line that says what to do, or nothing where the message says it all.
        code: the mail server's response code that led to it, in upper case without brackets (RFC
            2449 section 8, RFC 3206), such as ``LOGIN-DELAY``, or nothing.
    """

    exit_code = 1
    scope = Scope.RUN

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        """Carries hint and code along when a worker's error crosses to the main process."""
        return (_restore, (type(self), self.message, self.hint, self.code))


def _restore(kind: type[ArchiverError], message: str, hint: str, code: str) -> ArchiverError:
    return kind(message, hint=hint, code=code)


class UsageError(ArchiverError):
    """An option, a file of settings or an argument cannot be used as it stands."""

    exit_code = 2


class IndexDamaged(UsageError):
    """The index is damaged; it is made again from the raw messages by whoever writes to it next."""


class MessageError(ArchiverError):
    """One message could not be archived; the ones behind it can."""

    exit_code = 3
    scope = Scope.MESSAGE


class LocalDiskError(ArchiverError):
    """The local disk is full or cannot be written; what was not durable is still on the server."""

    exit_code = 3


class LoginRefused(ArchiverError):
    """The server does not let us in."""

    exit_code = 4
    scope = Scope.ACCOUNT


class ServerUnavailable(ArchiverError):
    """The server cannot be reached, is busy, or was lost after every retry."""

    exit_code = 5
    scope = Scope.ACCOUNT


class SessionLost(ServerUnavailable):
    """The connection broke, stalled or fell out of step: only a new session can go on."""

    scope = Scope.SESSION


class ProtocolError(SessionLost):
    """The server sent what POP3 does not allow; the stream cannot be trusted any further."""


class ServerRefused(ArchiverError):
    """The server answered -ERR; the session is in step and can go on."""

    exit_code = 5
    scope = Scope.SESSION


class StoreError(ArchiverError):
    """The store cannot be reached, or refuses what we ask."""

    exit_code = 6
    scope = Scope.STORE


class IntegrityError(ArchiverError):
    """What the store holds is not what was archived."""

    exit_code = 7
    scope = Scope.STORE


class UnknownFormat(IntegrityError):
    """What the store holds was written by a newer version, and must not be guessed at."""


class KeyTaken(IntegrityError):
    """Other octets than ours lie under a key that we were about to write."""


class DeletionStopped(ArchiverError):
    """What would be deleted on the server is more than anybody is likely to mean, or not safe."""

    exit_code = 3
    scope = Scope.ACCOUNT


class LedgerDamaged(IntegrityError):
    """What the ledger says of the archive cannot be relied upon; the archive itself is not touched.

    Of the integrity of the archive nothing is known then, and no other run can mend it: whoever
    watches exit codes should look at it as soon as at damage in the store.
    """

    scope = Scope.RUN


class AlreadyRunning(ArchiverError):
    """Another run holds this account's lock, or on another machine its lease."""

    exit_code = 8
    scope = Scope.ACCOUNT


class NothingMatched(ArchiverError):
    """The question has an answer, and it is: none."""

    exit_code = 9


class Interrupted(ArchiverError):
    """A person or the system asked the run to stop; it stopped at a safe point."""

    exit_code = 130

    def __init__(
        self,
        message: str = "interrupted at a safe point",
        *,
        hint: str = "run again to go on where this run ended",
        code: str = "",
    ) -> None:
        super().__init__(message, hint=hint, code=code)


SEVERITY = (7, 1, 6, 5, 4, 8, 3)
"""Exit codes of a run over several accounts, the most pressing first."""


def worst(codes: list[int]) -> int:
    """The exit code of a run whose accounts ended with these codes, each from the table."""
    present = set(codes)
    for special in (130, 2):
        if special in present:
            return special
    return next((code for code in SEVERITY if code in present), max(present, default=0))
