"""Where a mailbox and its proxy are, read from URLs; a password in one is refused."""

import re
from urllib.parse import unquote, urlsplit

from archiver.config.values import FolderUrl, ProxyUrl, ServerUrl
from archiver.errors import UsageError

_SCHEMES = {"pop3s": ("tls", 995), "pop3": ("stls", 110), "pop3+plain": ("plain", 110)}
_FOLDER_SCHEMES = {"imaps": ("tls", 993), "imap": ("stls", 143), "imap+plain": ("plain", 143)}
_PROXIES = {"socks5": 1080, "http": 8080}
_SCHEME = re.compile(r"[A-Za-z0-9+.-]*://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parse_server(text: str) -> ServerUrl:
    """Reads ``pop3s://user@host[:port]``, ``pop3://…`` (STLS) or ``pop3+plain://…``.

    The last ``@`` separates user from host, so that a mail address may be the user's name; both
    may be percent-encoded.

    Raises:
        UsageError: it cannot be read that way, or holds a password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise UsageError(
            f"the server {_without_password(text)!r} has no scheme that we know",
            hint="write pop3s://user@host (TLS), pop3://user@host (STLS)"
            " or pop3+plain://user@host (no TLS)",
        )
    return _server(rest, *_SCHEMES[scheme.lower()])


def parse_folder(text: str) -> FolderUrl:
    """Reads ``imaps://user@host[:port]/Folder``, ``imap://…`` (STARTTLS) or ``imap+plain://…``.

    Server and folder part at the first ``/``, user and host at the last ``@`` before it. What is
    percent-encoded in the folder belongs to a name: ``%2F`` is no border between two.

    Raises:
        UsageError: it cannot be read that way, or holds a password.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in _FOLDER_SCHEMES:
        raise UsageError(
            f"{_without_password(text)!r} is no URL of an IMAP folder",
            hint="write imaps://user@host/Folder (TLS), imap://user@host/Folder (STARTTLS)"
            " or imap+plain://user@host/Folder (no TLS)",
        )
    authority, _, path = rest.partition("/")
    server = _server(authority, *_FOLDER_SCHEMES[scheme.lower()])
    _require_text(path, "folder")
    try:
        names = tuple(unquote(name, errors="strict") for name in path.split("/") if name)
    except UnicodeDecodeError:
        raise UsageError("the folder in the URL is not UTF-8") from None
    if not names:
        raise UsageError(
            "the URL names no folder", hint="end it in /Folder, or in /INBOX for the inbox"
        )
    if any(_CONTROL.search(name) for name in names):
        raise UsageError("the folder in the URL holds a control character")
    return FolderUrl(server, names)


def _server(rest: str, security: str, port: int) -> ServerUrl:
    user, at, address = rest.rpartition("@")
    if not at or not user:
        raise UsageError("the server's URL names no user", hint="write user@host")
    _require_text(rest, "server")
    if ":" in user:
        raise UsageError(
            "the server's URL holds a password, which others on this machine could read",
            hint="use --password-env, --password-file or --password-command"
            " (a colon in the user's name is written %3A)",
        )
    host, port = _host_and_port(address.rstrip("/"), port)
    user = unquote(user)
    if _CONTROL.search(user) or _CONTROL.search(host):
        raise UsageError("the server's URL holds a control character")
    return ServerUrl(host=host, port=port, user=user, security=security)


def parse_proxy(text: str) -> ProxyUrl:
    """Reads ``socks5://[user@]host[:port]`` or ``http://[user@]host[:port]``.

    Raises:
        UsageError: it cannot be read that way, or holds a password.
    """
    kind, separator, rest = text.partition("://")
    if not separator or kind.lower() not in _PROXIES:
        raise UsageError(
            f"the proxy {_without_password(text)!r} has no scheme that we know",
            hint="write socks5://host:port or http://host:port",
        )
    user, _, address = rest.rpartition("@")
    _require_text(rest, "proxy")
    if ":" in user:
        raise UsageError(
            "the proxy's URL holds a password, which others on this machine could read",
            hint="use proxy_password_env, proxy_password_file or proxy_password_command",
        )
    host, port = _host_and_port(address.rstrip("/"), _PROXIES[kind.lower()])
    user = unquote(user)
    if _CONTROL.search(user) or _CONTROL.search(host):
        raise UsageError("the proxy's URL holds a control character")
    return ProxyUrl(kind=kind.lower(), host=host, port=port, user=user)


def _require_text(rest: str, what: str) -> None:
    """Refuses what a shell passed on that is no UTF-8 (PEP 383): nobody could be sent it."""
    try:
        rest.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the {what}'s URL is not UTF-8") from None


def _without_password(text: str) -> str:
    """A URL of an unknown form, without what stands between a colon and the last ``@``."""
    before, at, address = text.rpartition("@")
    scheme = _SCHEME.match(before)
    start = scheme.end() if scheme else 0
    return before[:start] + before[start:].partition(":")[0] + at + address


def _host_and_port(address: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address}")
        host = parts.hostname or ""
        port = parts.port or port
    except ValueError:
        host = ""
    if not host or "/" in address or "?" in address or "#" in address:
        raise UsageError(f"the address {address!r} is not host or host:port")
    return host, port


def account_name(server: ServerUrl) -> str:
    """The id of an account that no file names: ``user@host``, lower case."""
    return f"{server.user}@{server.host}".lower()
