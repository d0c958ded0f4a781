"""One IMAP session: connected, made secure, signed in; folders made and looked into, mail appended.

Errors of the libraries become ours at this border. A session that was lost is of no use any more;
whoever wants to go on makes another one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from archiver.errors import ArchiverError, ProtocolError, ServerUnavailable
from archiver.imap.append import Abilities, Letter, Outcome, append
from archiver.imap.names import Hierarchy, hierarchy, quoted
from archiver.imap.sign_in import ImapDialogue, sasl_of
from archiver.imap.wire import Client, Refusal, Wire, explained
from archiver.pop3.credentials import Credentials
from archiver.pop3.dialogue import Peer
from archiver.pop3.server import Limits, Security, Server
from archiver.pop3.sign_in import sign_in
from archiver.pop3.tls import Untrusted, with_fingerprint
from archiver.pop3.transport import Transport

_T = TypeVar("_T")

_AT_ONCE = 500
_CHUNK = 1 << 20
_MESSAGE_ID = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
_MESSAGE_ID_KEY = b"BODY[HEADER.FIELDS (MESSAGE-ID)]"
_LIMIT = "APPENDLIMIT"
_NO_FOLDER = frozenset({b"\\noselect", b"\\nonexistent"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A message in a folder: UID, octets (RFC822.SIZE), and its field Message-ID as it is."""

    uid: int
    size: int
    message_id: bytes


class ImapSession:
    """One session; ``connect`` makes it."""

    def __init__(self, server: Server, transport: Transport, client: Client) -> None:
        self._server = server
        self._transport = transport
        self._client = client
        self._hierarchy: Hierarchy | None = None
        self.capabilities: frozenset[str] = frozenset()

    @classmethod
    def connect(cls, server: Server, limits: Limits) -> Self:
        """Connects, hears the greeting and makes the connection secure.

        Raises:
            ServerUnavailable: the server cannot be reached, does not greet us, or gives no TLS.
            ProtocolError: what answers there does not speak IMAP.
            UsageError: one of the files named in the settings cannot be used.
        """
        with _in_words_of_imap():
            try:
                return cls._open(server, limits)
            except Untrusted as error:
                told = with_fingerprint(error, server, lambda seen: cls._open(seen, limits))
                raise told from error

    @classmethod
    def _open(cls, server: Server, limits: Limits) -> Self:
        transport = Transport.connect(server, limits)
        try:
            with explained(server):
                client = Client(server, transport)
        except Refusal as error:
            transport.close()
            raise ServerUnavailable(
                f"{server.address} does not serve us: {str(error)[:200]}",
                hint="check that this is an IMAP server: with TLS it is usually at port 993",
            ) from error
        except BaseException:
            transport.close()
            raise
        session = cls(server, transport, client)
        try:
            session._begin()
        except BaseException:
            session.drop()
            raise
        return session

    @property
    def _wire(self) -> Wire:
        return self._client.wire

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know of how this connection is protected."""
        return self._transport.warnings

    def _begin(self) -> None:
        self._transport.greeted()
        with explained(self._server):
            if self._server.security is Security.STLS:
                self._secure()
        self._ask_capabilities()

    def _ask_capabilities(self) -> None:
        self.capabilities = self._asked("say what it can do", self._client.renew_capabilities)

    def _secure(self) -> None:
        """STARTTLS (RFC 3501 section 6.2.1); nothing said before it counts afterwards."""
        wire = self._wire
        if wire.state != "NONAUTH":
            raise ServerUnavailable(
                f"{self._server.address} lets everybody in before there is TLS",
                hint="use imaps:// (port 993)",
            )
        answer = wire.answer(wire.ask(b"STARTTLS\r\n"))
        if not answer.ok:
            raise ServerUnavailable(
                f"{self._server.address} gives no TLS by STARTTLS: {answer.words}",
                hint="try imaps:// (port 993); without TLS a password is readable on the way",
            )
        if not wire.is_quiet():
            raise ProtocolError(f"{self._server.address} sent more before TLS than its answer")
        self._transport.secure()

    def sign_in(self, credentials: Credentials, auth: str = "auto") -> None:
        """Signs in; a session that was refused is over.

        Args:
            credentials: who, and the secret.
            auth: ``auto``, or the name of a mechanism.

        Raises:
            LoginRefused: the server does not let this user in, or only with a secret in the clear.
            ServerUnavailable: not now.
            UsageError: no such mechanism, or the credentials lack what it needs.
        """
        wire = self._wire
        if wire.state == "NONAUTH":
            peer = Peer(
                host=self._server.host,
                port=self._server.port,
                capabilities=sasl_of(self.capabilities),
                secured=self._transport.secured,
                local=self._transport.local,
            )
            dialogue = ImapDialogue(wire, peer, initial="SASL-IR" in self.capabilities)
            try:
                with _in_words_of_imap(), explained(self._server):
                    sign_in(dialogue, credentials, auth=auth)
            except ArchiverError:
                self.drop()
                raise
            wire.state = "AUTH"
        self._ask_capabilities()
        if "UTF8=ONLY" in self.capabilities:
            raise ServerUnavailable(
                f"{self._server.address} takes names in UTF-8 only (RFC 6855), which this program"
                " does not speak"
            )

    def name_of(self, folder: Sequence[str]) -> str:
        """The name that the server has for a folder below others, given from the top."""
        if self._hierarchy is None:
            self._hierarchy = self._asked("tell how it names folders", self._ask_hierarchy)
        return self._hierarchy.name(folder)

    def _ask_hierarchy(self) -> Hierarchy:
        prefix = ""
        if "NAMESPACE" in self.capabilities:
            with suppress(Refusal), explained(self._server):
                personal = self._client.namespace().personal
                prefix = personal[0][0] if personal else ""
        listed = self._client.list_folders("", "")
        return hierarchy(prefix, listed[0][1] if listed else None)

    def exists(self, name: str) -> bool:
        """Whether there is such a folder, and it can hold messages."""
        listed = self._asked(
            f"say whether there is a folder {name}", lambda: self._client.list_folders("", name)
        )
        # What stands for any name in LIST may stand in a name, which then is not the only one.
        return any(
            found == name and not _NO_FOLDER & {flag.lower() for flag in flags}
            for flags, _, found in listed
        )

    def find(self, name: str) -> str | None:
        """What a folder is called here, None where there is none; see ``make``."""
        return next((each for each in _spellings(name) if self.exists(each)), None)

    def make(self, name: str) -> str:
        """What a folder is called here; it is made, and subscribed to, where there is none.

        Some servers allow no dot in a name (Dovecot over maildirs): there it is ``_``.

        Raises:
            FolderRefused: the server does not let us.
        """
        found = self.find(name)
        if found is not None:
            return found
        plain, *others = _spellings(name)
        try:
            made = self._made(plain)
        except FolderRefused:
            if not others:
                raise
            made = self._made(others[0])
        # Without a subscription it is there all the same.
        with suppress(Refusal), explained(self._server):
            self._client.subscribe_folder(made)
        return made

    def _made(self, name: str) -> str:
        self._asked(f"make the folder {name}", lambda: self._client.create_folder(name))
        return name

    def largest(self, name: str) -> int | None:
        """How many octets a message may have in this folder (RFC 7889); None if nobody says."""
        stated = [word for word in self.capabilities if word.startswith(_LIMIT)]
        if not stated:
            return None
        _, _, number = stated[0].partition("=")
        if number.isdecimal():
            return int(number)
        with suppress(Refusal), explained(self._server):
            found = self._client.folder_status(name, [_LIMIT]).get(_LIMIT.encode())
            return found if isinstance(found, int) else None
        return None

    def look(self, name: str) -> tuple[int, list[int]]:
        """Opens a folder only to read it; gives its UIDVALIDITY and the UIDs that it holds."""

        def looked() -> tuple[int, list[int]]:
            opened = self._client.select_folder(name, readonly=True)
            uids = self._client.search("ALL") if opened[b"EXISTS"] else []
            return int(opened.get(b"UIDVALIDITY", 0)), list(uids)

        return self._asked(f"show the folder {name}", looked)

    def seen(self, uids: Sequence[int]) -> Iterator[Seen]:
        """Size and Message-ID of messages of the folder that is open."""
        for start in range(0, len(uids), _AT_ONCE):
            wanted = uids[start : start + _AT_ONCE]
            for uid, said in self._fetched(wanted, "RFC822.SIZE", _MESSAGE_ID).items():
                size, field = said.get(b"RFC822.SIZE"), said.get(_MESSAGE_ID_KEY)
                if isinstance(size, int):
                    yield Seen(uid, size, field or b"")

    def octets(self, uid: int) -> Iterator[bytes]:
        """The octets of a message of the folder that is open, in pieces."""
        start = 0
        while True:
            said = self._fetched([uid], f"BODY.PEEK[]<{start}.{_CHUNK}>").get(uid, {})
            piece = said.get(b"BODY[]<%d>" % start) or b""
            yield piece
            if len(piece) < _CHUNK:
                return
            start += len(piece)

    def whole(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The octets of small messages of the folder that is open, by UID."""
        fetched = self._fetched(uids, "BODY.PEEK[]") if uids else {}
        return {uid: said[b"BODY[]"] for uid, said in fetched.items() if said.get(b"BODY[]")}

    def _fetched(self, uids: Sequence[int], *wanted: str) -> dict[int, dict[bytes, Any]]:
        fetched = self._asked("show messages", lambda: self._client.fetch(uids, wanted))
        self._wire.untagged_responses.pop("FETCH", None)
        return dict(fetched)

    def append(
        self, name: str, letters: Sequence[Letter], flags: Sequence[str], *, alone: bool = False
    ) -> list[Outcome]:
        """Appends messages to a folder, and says what became of each.

        Args:
            name: the folder.
            letters: the messages.
            flags: which each gets.
            alone: one after the other, each only when the server wants it.

        Raises:
            SessionLost: the connection broke; any of them may have arrived.
        """
        can = Abilities() if alone else Abilities.of(self.capabilities)
        with explained(self._server):
            outcomes = append(self._wire, quoted(name), letters, flags, can)
            self._wire.forget()
        return outcomes

    @property
    def binary(self) -> bool:
        """Whether NUL can be appended (RFC 3516)."""
        return "BINARY" in self.capabilities

    def leave(self) -> None:
        """Ends the session as IMAP wants it, or at once where that fails."""
        with suppress(Exception):
            self._client.logout()
        self.drop()

    def drop(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def _asked(self, what: str, call: Callable[[], _T]) -> _T:
        try:
            with explained(self._server):
                return call()
        except Refusal as error:
            raise FolderRefused(
                f"{self._server.address} does not {what}: {str(error)[:200]}",
                hint="look at the folder's name and your rights",
            ) from error


def _spellings(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((name, name.replace(".", "_"))))


class FolderRefused(ServerUnavailable):
    """The server does not do what we ask with a folder."""


_WORDS = (
    ("USER and PASS", "LOGIN"),
    ("pop3s://", "imaps://"),
    ("pop3://", "imap://"),
    ("POP3", "IMAP"),
    ("STLS", "STARTTLS"),
    ("usually 995", "usually 993"),
    ("usually 110", "usually 143"),
    ("STARTTLS 110", "STARTTLS 143"),
)


@contextmanager
def _in_words_of_imap() -> Iterator[None]:
    """Gives errors of the layers that IMAP shares with POP3 the names that things have here."""
    try:
        yield
    except ArchiverError as error:
        for said, meant in _WORDS:
            error.message = error.message.replace(said, meant)
            error.hint = error.hint.replace(said, meant)
        raise
