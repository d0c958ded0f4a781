"""Who signs in to which mailbox, and with what secret."""

from dataclasses import dataclass, field
from typing import Protocol

from archiver.errors import UsageError


class AccessToken(Protocol):
    """Gives an access token (RFC 6749 section 1.4) that is good for now."""

    def __call__(self, *, refused: bool = False) -> str:
        """A token; ``refused`` says that the server did not take the last one."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and what proves it.

    Args:
        user: the authentication identity, sent as UTF-8.
        password: the secret, sent as UTF-8; None where there is none.
        authzid: whose mailbox to open, where that is not the user's own (RFC 4616).
        token: gives access tokens (OAuth 2); None where there are none.
        certificate: a client certificate is presented, so that EXTERNAL may be asked for.
        cleartext: a bare password may go over a connection without TLS.

    Raises:
        UsageError: one of them holds a line end or NUL, which would be sent as a second command
            or a third field.
    """

    user: str
    password: str | None = field(default=None, repr=False)
    authzid: str = ""
    token: AccessToken | None = field(default=None, repr=False)
    certificate: bool = False
    cleartext: bool = False

    def __post_init__(self) -> None:
        """Refuses what would be sent as a second command (CR, LF) or a third field (NUL)."""
        named = {"user name": self.user, "password": self.password or "", "authzid": self.authzid}
        for name, value in named.items():
            if any(character in value for character in "\r\n\0"):
                raise UsageError(
                    f"the {name} contains a line end or NUL",
                    hint="a secret read from a file must not keep its last line end",
                )
