"""A real OAuth 2 authorization server on loopback, in a thread: Authlib's server side over Flask.

It knows one client and whoever signs in. A browser that comes to it is signed in already, as its
``login_hint`` or as ``user``; what it consents to is for the test to say. Codes need PKCE with
S256. Refresh tokens rotate, and one that is used twice ends every token of its sign-in (RFC 9700
section 4.14.2). A resource server learns the state of a token at ``introspection_url`` (RFC 7662).
"""

import threading
import time
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any, Self
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import TokenMixin
from authlib.oauth2.rfc8628 import DeviceCredentialDict
from werkzeug.serving import WSGIRequestHandler, make_server

from infra.authorization_app import CLIENT, RESOURCE, RESOURCE_SECRET, Code, application
from infra.certificate import Certificate


@dataclass(frozen=True, slots=True)
class Canned:
    """An answer that the token endpoint gives in place of its own."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Issued(TokenMixin):
    """Tokens that were given, all of one sign-in by the same ``family``."""

    user: str
    client_id: str
    scope: str
    family: int
    access_token: str
    refresh_token: str | None
    ends_at: float
    spent: bool = False
    revoked: bool = False

    def check_client(self, client: Any) -> bool:
        """Whether that client was given them."""
        return bool(self.client_id == client.get_client_id())

    def get_scope(self) -> str:
        """The rights they give."""
        return self.scope

    def is_expired(self) -> bool:
        """Whether the access token has ended."""
        return time.time() >= self.ends_at

    def is_revoked(self) -> bool:
        """Whether the person took the rights back."""
        return self.revoked


class Authorization:
    """The server as a context manager; every attribute may be changed while it runs.

    Args:
        certificate: serves HTTPS with it; HTTP without.

    Attributes:
        client_id: what the client is called.
        client_secret: what the client must say; None for a public client.
        user: who signs in, where the browser names nobody.
        consent: what the person answers.
        lifetime: seconds for which access tokens are good; 0 leaves them without a word about it.
        rotate: whether a refresh gives a new refresh token and ends the old one.
        canned: what the token endpoint answers in place of its own.
        device_interval, device_lifetime: seconds, as the device flow is told.
        slow_down: how many of the next polls are told to slow down.
        forms: what the token endpoint was sent.
        queries: what the authorization endpoint was asked.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        """Nothing runs yet."""
        self._certificate = certificate
        self.client_id = CLIENT
        self.client_secret: str | None = token_urlsafe(16)
        self.user = "me"
        self.consent = True
        self.lifetime = 3600
        self.rotate = True
        self.canned: Canned | None = None
        self.device_interval = 1
        self.device_lifetime = 600
        self.slow_down = 0
        self.forms: list[dict[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.issued: list[Issued] = []
        self.codes: dict[str, Code] = {}
        self.devices: dict[str, DeviceCredentialDict] = {}
        self.granted: dict[str, tuple[str, bool]] = {}
        self.guard = threading.RLock()

    def __enter__(self) -> Self:
        """Starts to serve at once."""
        files = self._certificate
        context = None if files is None else (str(files.certificate_file), str(files.key_file))
        self._server = make_server(
            "127.0.0.1",
            0,
            application(self),
            threaded=True,
            request_handler=_Quiet,
            ssl_context=context,
        )
        scheme = "http" if files is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def authorization_url(self) -> str:
        """Where a browser signs in."""
        return f"{self.url}/authorize"

    @property
    def token_url(self) -> str:
        """Where codes and refresh tokens are traded."""
        return f"{self.url}/token"

    @property
    def device_url(self) -> str:
        """Where the device flow begins."""
        return f"{self.url}/device"

    @property
    def introspection_url(self) -> str:
        """Where a resource server asks, with its credentials in the address."""
        return f"http://{RESOURCE}:{RESOURCE_SECRET}@{urlsplit(self.url).netloc}/introspect"

    def decide(self, user_code: str, *, allow: bool = True) -> None:
        """The person enters the code of a device, and allows or denies."""
        with self.guard:
            self.granted[user_code] = (self.user, allow)

    def expire_devices(self) -> None:
        """Lets every code of a device run out."""
        with self.guard:
            for device in self.devices.values():
                device["expires_at"] = 0

    def expire(self) -> None:
        """Lets every access token run out before the time that was told."""
        with self.guard:
            for issued in self.issued:
                issued.ends_at = 0

    def revoke(self, user: str) -> None:
        """Ends all that this person ever granted."""
        with self.guard:
            for issued in self.issued:
                issued.revoked = issued.revoked or issued.user == user

    def refreshes(self) -> int:
        """How often a refresh was asked for."""
        return sum(form.get("grant_type") == "refresh_token" for form in self.forms)

    def save(self, token: dict[str, Any], asked: Any) -> None:
        """Writes down what was issued."""
        old = getattr(asked, "refresh_token", None)
        with self.guard:
            family = old.family if isinstance(old, Issued) else len(self.issued)
            self.issued.append(
                Issued(
                    user=str(asked.user),
                    client_id=asked.client.get_client_id(),
                    scope=str(token.get("scope", "")),
                    family=family,
                    access_token=token["access_token"],
                    refresh_token=token.get("refresh_token"),
                    ends_at=time.time() + (self.lifetime or 3600),
                )
            )

    def refresh_with(self, refresh_token: str) -> Issued | None:
        """What a refresh token stands for; one that was spent ends its family."""
        with self.guard:
            found = next((one for one in self.issued if one.refresh_token == refresh_token), None)
            if found is not None and found.spent:
                for one in self.issued:
                    one.revoked = one.revoked or one.family == found.family
            return None if found is None or found.revoked else found


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Says nothing: tests read what was asked in ``forms`` and ``queries``."""
