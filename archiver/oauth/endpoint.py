"""One request to an authorization server: a form goes out, a JSON object comes back.

Whatever else comes back (HTML, a redirect, 500, nothing) is one clear line. Redirects are not
followed: what is sent holds secrets, and was meant for this address. The system's authorities
vouch for the server, and the environment's proxies are used, but not towards this machine.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from archiver.errors import ServerUnavailable
from archiver.oauth.providers import is_loopback

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

_SILENCE_SECONDS = 30.0
_WHOLE_SECONDS = 60.0
_LONGEST_ANSWER = 1 << 20
_CHUNK = 1 << 14
_PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}
_SECRETS = ("client_secret", "refresh_token", "code", "code_verifier", "device_code")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: a JSON object, as text and read.

    ``secrets`` are the values that it was told, and may repeat in what it says.
    """

    host: str
    text: str = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def quote(self, value: object) -> str:
        """What the server has to say, as the end of a line: short, plain, without our secrets."""
        text = value if isinstance(value, str) else ""
        for secret in self.secrets:
            text = text.replace(secret, "...")
        # Microsoft's first line is for people; the rest are ids of the request.
        line = (text.strip().splitlines() or [""])[0][:200]
        return "".join(character for character in line if character.isprintable()).rstrip(".")


def post(url: str, form: Mapping[str, str]) -> Answer:
    """Sends a form and gives the JSON object that answers it, be it a refusal (RFC 6749 section 5).

    Args:
        url: an endpoint of ``providers.Provider``, which has vouched for it.
        form: what to send.

    Raises:
        ServerUnavailable: nothing of use came back, within a minute.
    """
    host = urlsplit(url).netloc
    status, body = _exchange(url, host, urlencode(form).encode())
    fields = _json_object(body)
    # The server's own words for its status could be anything, our secrets among it.
    answered = f"{host} answered {status} {_PHRASES.get(status, '')}".rstrip()
    if status >= 500 or status == 429:
        raise ServerUnavailable(answered, hint="it has trouble of its own: try later")
    if status >= 300 and (fields is None or status < 400 or "error" not in fields):
        what = "a redirect, which is not followed" if status < 400 else "no OAuth answer"
        raise ServerUnavailable(f"{answered}: {what}", hint="check the addresses of the provider")
    if fields is None:
        raise ServerUnavailable(
            f"{host} answered with something that is not a JSON object",
            hint="check the addresses of the provider",
        )
    secrets = tuple(form[name] for name in _SECRETS if form.get(name))
    return Answer(host, body.decode(), fields, secrets)


def _exchange(url: str, host: str, octets: bytes) -> tuple[int, bytes]:
    from http.client import HTTPException
    from urllib.request import Request

    request = Request(url, octets, {"Accept": "application/json"})  # noqa: S310 - https, or http to this machine: ``providers`` saw to it
    try:
        with _opener(url).open(request, timeout=_SILENCE_SECONDS) as response:
            return response.status, _read(response)
    except (OSError, HTTPException) as error:
        raise ServerUnavailable(
            f"{host} cannot be asked for a token: {_reason(error)}",
            hint="try later; nothing is lost",
        ) from None


def _opener(url: str) -> "OpenerDirector":
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler

    opener = OpenerDirector()
    # Only these: without the handlers of errors and redirects every answer is simply an answer.
    proxy = ProxyHandler({}) if is_loopback(urlsplit(url).hostname or "") else ProxyHandler()
    for handler in (proxy, HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _read(response: "HTTPResponse") -> bytes:
    deadline = time.monotonic() + _WHOLE_SECONDS
    octets = b""
    while chunk := response.read1(_CHUNK):
        octets += chunk
        if len(octets) > _LONGEST_ANSWER:
            raise OSError("its answer is too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    return octets


def _reason(error: Exception) -> str:
    # urllib wraps what happened while connecting, and leaves the rest as it is.
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return "it does not answer in time"
    if unverified := getattr(cause, "verify_message", ""):
        return f"its certificate is not good ({unverified})"
    if not isinstance(cause, OSError):
        return "its answer is no HTTP"
    return cause.strerror or str(cause) or type(cause).__name__


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
