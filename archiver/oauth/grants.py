"""The words of OAuth 2, by way of oauthlib: what to ask, and what an answer means.

The door to oauthlib is here, and nothing here touches a socket. requests-oauthlib, which would send
the requests too, was weighed and left: it writes tokens into its log, follows redirects with what
it was given, and refuses a server on this machine unless the whole process trusts plain HTTP.

A code is proven by PKCE with S256 (RFC 7636), so that nobody else can use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from archiver.errors import ServerUnavailable
from archiver.oauth.endpoint import Answer
from archiver.oauth.keeping import Token
from archiver.oauth.providers import Provider

if TYPE_CHECKING:
    from oauthlib.oauth2 import OAuth2Error

_VERIFIER_LENGTH = 64
_STATE_LENGTH = 32
_LONGEST_SECONDS = 10 * 365 * 86_400
# oauthlib asks for https everywhere, also in the redirect to this machine (RFC 8252 section 7.3);
# it reads and writes queries only, so it is given this address in place of ours.
_PLACEHOLDER = "https://localhost"
# RFC 6750 section 2.1; anything else could end the field of a SASL message.
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Refusal(Exception):
    """The authorization server said no.

    Args:
        error: its code for why (RFC 6749 sections 4.1.2.1 and 5.2).
        words: what it said to a person, if anything.
    """

    def __init__(self, error: str, words: str) -> None:
        super().__init__(f"{error}: {words}" if words else error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Question:
    """A sign-in under way: the address for the browser, and what only we know of it."""

    url: str = field(repr=False)
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


class Grants:
    """What is said to one provider.

    Args:
        provider: whom we talk to.
        secret: the client's secret, or nothing where it has none.
    """

    def __init__(self, provider: Provider, secret: str | None) -> None:
        self._provider = provider
        self._secret = secret or None

    def question(self, redirect_uri: str, user: str) -> Question:
        """A new sign-in for the browser (RFC 6749 section 4.1.1).

        Args:
            redirect_uri: where the browser is to be sent back to.
            user: who is expected to sign in.
        """
        from oauthlib.common import generate_token
        from oauthlib.oauth2 import WebApplicationClient

        assert self._provider.authorization_url is not None
        client = WebApplicationClient(self._provider.client_id)
        verifier = client.create_code_verifier(_VERIFIER_LENGTH)
        state = generate_token(_STATE_LENGTH)
        asked = client.prepare_request_uri(
            _PLACEHOLDER,
            redirect_uri=redirect_uri,
            scope=self._provider.scope,
            state=state,
            code_challenge=client.create_code_challenge(verifier, "S256"),
            code_challenge_method="S256",
            login_hint=user,
            **dict(self._provider.extra),
        )
        url = _with_query(self._provider.authorization_url, urlsplit(asked).query)
        return Question(url, redirect_uri, state, verifier)

    def code(self, question: Question, target: str) -> str:
        """The code that the browser brought (RFC 6749 section 4.1.2).

        Args:
            question: the sign-in under way.
            target: path and query of the browser's request.

        Raises:
            Refusal: it brought a refusal, or what belongs to another sign-in.
        """
        from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

        client = WebApplicationClient(self._provider.client_id)
        try:
            found = client.parse_request_uri_response(_PLACEHOLDER + target, question.state)
        except OAuth2Error as error:
            raise _refusal(error, Answer("", "", {}, ())) from None
        return found["code"]

    def code_form(self, question: Question, code: str) -> dict[str, str]:
        """The form that trades a code for tokens (RFC 6749 section 4.1.3)."""
        from oauthlib.oauth2 import WebApplicationClient

        client = WebApplicationClient(self._provider.client_id)
        return _form(
            client.prepare_request_body(
                code=code,
                redirect_uri=question.redirect_uri,
                code_verifier=question.verifier,
                client_secret=self._secret,
            )
        )

    def device_form(self) -> dict[str, str]:
        """The form that begins the device flow (RFC 8628 section 3.1)."""
        from oauthlib.oauth2 import DeviceClient

        client = DeviceClient(self._provider.client_id, client_secret=self._secret)
        asked = client.prepare_request_uri(_PLACEHOLDER, scope=self._provider.scope)
        return _form(urlsplit(asked).query)

    def poll_form(self, device_code: str) -> dict[str, str]:
        """The form that asks whether a person has signed in (RFC 8628 section 3.4)."""
        from oauthlib.oauth2 import DeviceClient

        client = DeviceClient(self._provider.client_id)
        body = client.prepare_request_body(
            device_code, include_client_id=True, client_secret=self._secret
        )
        return _form(body)

    def refresh_form(self, refresh_token: str) -> dict[str, str]:
        """The form that trades a refresh token for an access token (RFC 6749 section 6)."""
        from oauthlib.oauth2 import WebApplicationClient

        client = WebApplicationClient(self._provider.client_id)
        body = client.prepare_refresh_body(
            refresh_token=refresh_token,
            scope=self._provider.scope,
            client_id=self._provider.client_id,
            client_secret=self._secret,
        )
        return _form(body)

    def token(self, answer: Answer, now: float) -> Token:
        """The tokens in an answer (RFC 6749 section 5.1).

        Args:
            answer: what the token endpoint said.
            now: the time when it was asked, in seconds since the epoch.

        Raises:
            Refusal: it said no.
            ServerUnavailable: it said nothing of use.
        """
        from oauthlib.oauth2 import MissingTokenError, OAuth2Error, WebApplicationClient

        # No scope is named here: servers word theirs differently, which oauthlib takes for a fault.
        client = WebApplicationClient(self._provider.client_id)
        try:
            found: Mapping[str, object] = client.parse_request_body_response(answer.text)
        except (MissingTokenError, ValueError, TypeError, AttributeError, OverflowError):
            raise _useless(answer) from None
        except OAuth2Error as error:
            raise _refusal(error, answer) from None
        lifetime = found.get("expires_in")
        return Token(
            access_token=_token(found.get("access_token"), answer),
            refresh_token=_token(found["refresh_token"], answer)
            if found.get("refresh_token")
            else None,
            expires_at=now + min(max(lifetime, 0), _LONGEST_SECONDS)
            if isinstance(lifetime, int | float)
            else None,
        )


def refuse(answer: Answer) -> None:
    """Raises what an answer other than a token says, if it is a refusal.

    Raises:
        Refusal: it is one.
    """
    if "error" in answer.fields:
        error, words = (answer.fields.get(name) for name in ("error", "error_description"))
        raise Refusal(answer.quote(error) or "refused", answer.quote(words))


def _refusal(error: "OAuth2Error", answer: Answer) -> Refusal:
    return Refusal(answer.quote(error.error) or "refused", answer.quote(error.description))


def _token(value: object, answer: Answer) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _useless(answer)
    return value


def _useless(answer: Answer) -> ServerUnavailable:
    return ServerUnavailable(
        f"{answer.host} gave no token that can be used", hint="check the addresses of the provider"
    )


def _form(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


def _with_query(url: str, query: str) -> str:
    parts = urlsplit(url)
    joined = urlencode(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(query))
    return urlunsplit(parts._replace(query=joined))
