"""What one test gets of a real server: a mailbox or a bucket that nobody else uses."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.ceph import Ceph
from infra.dovecot import Dovecot


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An empty mailbox on the real Dovecot that this test alone uses."""

    server: Dovecot
    user: str
    password: str

    @property
    def port(self) -> int:
        """Plain POP3 with STLS."""
        return self.server.port

    @property
    def tls_port(self) -> int:
        """POP3 over TLS."""
        return self.server.tls_port

    @property
    def ca_file(self) -> Path:
        """The authority that signed the server's certificate."""
        return self.server.ca_file

    def add(self, messages: Iterable[bytes]) -> None:
        """Delivers messages, in this order."""
        self.server.add(self.user, messages)

    def left(self) -> list[bytes]:
        """What the mailbox still holds, in order of delivery."""
        return self.server.left(self.user)


class PopServer(Protocol):
    """A running POP3 server of any make."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def port(self) -> int:
        """Plain POP3."""

    @property
    def stls(self) -> bool:
        """Whether STLS is known at ``port``."""

    @property
    def tls_port(self) -> int | None:
        """POP3 over TLS; None where it has none."""

    @property
    def ca_file(self) -> Path | None:
        """The authority that signed its certificate; None where it has no TLS."""

    def add_user(self, user: str, password: str) -> None:
        """Lets ``user`` in with ``password``, to an empty mailbox."""

    def add(self, user: str, messages: Iterable[bytes]) -> None:
        """Delivers messages in this order, with these octets as far as its mailboxes permit."""

    def left(self, user: str) -> list[bytes]:
        """What the mailbox holds on the disk, in order of delivery."""

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added."""


@dataclass(frozen=True, slots=True)
class PopMailbox:
    """An empty mailbox on a real server of any make that this test alone uses."""

    server: PopServer
    user: str
    password: str

    def add(self, messages: Iterable[bytes]) -> None:
        """Delivers messages, in this order."""
        self.server.add(self.user, messages)

    def left(self) -> list[bytes]:
        """What the mailbox still holds, in order of delivery."""
        return self.server.left(self.user)


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket on the real Ceph that this test alone uses."""

    server: Ceph
    name: str

    @property
    def endpoint_url(self) -> str:
        """Plain HTTP."""
        return self.server.endpoint_url

    @property
    def tls_endpoint_url(self) -> str:
        """HTTPS under ``ca_file``."""
        return self.server.tls_endpoint_url

    @property
    def ca_file(self) -> Path:
        """The authority that signed the server's certificate."""
        return self.server.ca_file

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this store."""
        return {
            "AWS_ENDPOINT_URL": self.server.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "AWS_DEFAULT_REGION": self.server.region,
        }
