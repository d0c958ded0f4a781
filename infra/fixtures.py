"""What one test gets of a real server: a mailbox or a bucket that nobody else uses."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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
