"""What servers have in common that inetd would start, unpacked from a Debian package."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Self

from infra.chroot import Chroot
from infra.inetd import Inetd
from infra.maildrops import Maildrop


class PackagedServer(ABC):
    """A POP3 server as a context manager, with a user of the system for each mailbox.

    Args:
        directory: an existing directory for its root and its log.

    ``port`` speaks POP3; ``tls_port`` and ``ca_file`` are None where it has no TLS, ``stls`` says
    whether it has STLS. ``log_file`` is what it has to say.

    Raises:
        ServerMissing: on entering, where it cannot be had on this machine.
    """

    name: ClassVar[str]
    port: int
    stls: ClassVar[bool] = False

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet."""
        self.directory = directory
        self.log_file = directory / f"{self.name}.log"
        self.tls_port: int | None = None
        self.ca_file: Path | None = None

    def __enter__(self) -> Self:
        """Makes the root and listens."""
        self._root = Chroot(self.name, self.directory / "root")
        self._maildrops: dict[str, Maildrop] = {}
        with ExitStack() as stack:
            stack.callback(self._root.remove)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every session and removes all mail; the log stays."""
        self._stack.close()

    def add_user(self, user: str, password: str) -> None:
        """Lets ``user`` in with ``password``, to an empty mailbox; without colons or slashes."""
        owner = self._root.add_account(user, password)
        self._maildrops[user] = self._make_maildrop(user, password, owner)

    def add(self, user: str, messages: Iterable[bytes]) -> None:
        """Delivers messages, in this order."""
        self._maildrops[user].add(messages)

    def left(self, user: str) -> list[bytes]:
        """What the disk still holds of the messages, in order of delivery."""
        return self._maildrops[user].left()

    def maildrop(self, user: str) -> Maildrop:
        """The user's mailbox on the disk."""
        return self._maildrops[user]

    @abstractmethod
    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added."""

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Writes settings and listens."""

    @abstractmethod
    def _make_maildrop(self, user: str, password: str, owner: int) -> Maildrop:
        """Makes the user's mailbox, and what else lets the user in."""

    def _listen(self, stack: ExitStack, *command: str) -> int:
        """Has the command answer at the port that this gives, until the stack is closed."""
        return stack.enter_context(Inetd(self._root.command(*command), self.log_file)).port
