"""A POP3 server in this process that misbehaves exactly as told, and writes down what it heard.

The mailbox outlives its sessions, as a real one does: what a session deletes is gone after QUIT
and only then. Every fault is one field of ``Faults``; a server without faults is a good one.
"""

import contextlib
import socket
import ssl
import struct
import threading
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self


class _HangupError(Exception):
    """This session ends here, without a word."""


@dataclass
class Message:
    """A message in the mailbox; two may share one UIDL."""

    uidl: str
    octets: bytes


@dataclass(frozen=True)
class Faults:
    """How the server misbehaves; message numbers are those of the session, from 1.

    Args:
        drop_after: octets sent after which each session in turn is cut; None does not cut it, and
            neither does the end of the sequence.
        reset: cut with a reset instead of an end of stream.
        sizes: what LIST says of a message instead of its size.
        numberless: UIDL lines hold no message numbers.
        without: commands that the server does not know, such as ``UIDL`` or ``CAPA``.
        refuse: what follows -ERR when a message is asked for, by number.
        refusals: how often each message in ``refuse`` is refused; None for always.
        replies: octets that are sent instead of the answer to a command's name.
        after_stls: octets sent behind the +OK to STLS, before the handshake.
        greeting: octets sent as greeting.
        endless_greeting: the greeting has no end.
        stall: (number, octets): RETR of this message stops after so many octets and stays silent.
        expire: what ``EXPIRE`` advertises; 0 removes at QUIT what was retrieved.
        login_delay: seconds that ``LOGIN-DELAY`` advertises.
        early_logins: how many logins are refused with [LOGIN-DELAY] before one is granted.
        pipelining: advertise PIPELINING.
        late_capabilities: advertise TOP, UIDL and PIPELINING only after login, as Gmail does.
        sasl: mechanisms advertised; PLAIN works.
        utf8: advertise UTF8.
        offered: only the first so many messages are listed in a session.
        refuse_quit: what follows -ERR to QUIT, which then deletes nothing.
        refuse_login: what follows -ERR to PASS and AUTH.
        tail: octets sent behind the answer to a message's RETR, by number.
    """

    drop_after: Sequence[int | None] = ()
    reset: bool = False
    sizes: Mapping[int, int | str] = field(default_factory=dict)
    numberless: bool = False
    without: frozenset[str] | set[str] = frozenset()
    refuse: Mapping[int, str] = field(default_factory=dict)
    refusals: int | None = None
    replies: Mapping[str, bytes] = field(default_factory=dict)
    after_stls: bytes = b""
    greeting: bytes = b"+OK ready\r\n"
    endless_greeting: bool = False
    stall: tuple[int, int] | None = None
    expire: int | None = None
    login_delay: int | None = None
    early_logins: int = 0
    pipelining: bool = True
    late_capabilities: bool = False
    sasl: tuple[str, ...] = ("PLAIN",)
    utf8: bool = False
    offered: int | None = None
    refuse_quit: str | None = None
    refuse_login: str | None = None
    tail: Mapping[int, bytes] = field(default_factory=dict)


class FaultyPop3:
    """The server as a context manager, listening on loopback.

    Args:
        messages: (UIDL, octets) of each message, in order.
        login: the only user, and the password.
        certificate_file: PEM of certificate chain for TLS, with ``key_file``; enables STLS.
        key_file: PEM of the private key.
        implicit_tls: TLS from the first octet instead of STLS.
        host: 127.0.0.1 or ::1.
        faults: the fields of ``Faults``, by name.

    ``commands`` is every line heard, over all sessions; ``sessions`` how many began; ``mailbox``
    what is in the mailbox and may be changed between sessions; ``faults`` may be replaced.
    """

    def __init__(
        self,
        messages: Iterable[tuple[str, bytes]] = (),
        *,
        login: tuple[str, str] = ("user", "secret"),
        certificate_file: str | None = None,
        key_file: str | None = None,
        implicit_tls: bool = False,
        host: str = "127.0.0.1",
        **faults: Any,
    ) -> None:
        """Listens, but answers nobody yet."""
        self.mailbox = [Message(uidl, octets) for uidl, octets in messages]
        self.user, self.password = login
        self.faults = Faults(**faults)
        self.commands: list[str] = []
        self.sessions = 0
        self.logins = 0
        self.refused: dict[int, int] = {}
        self.implicit_tls = implicit_tls
        self.tls: ssl.SSLContext | None = None
        if certificate_file is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate_file, key_file)
        self._listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.port: int = self._listener.getsockname()[1]
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Answers from now on."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Cuts every session and waits for the threads to end."""
        self.stopping.set()
        for each in (self._listener, *list(self._open)):
            # Closing alone does not wake a thread that waits in accept or recv.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for number in count():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.sessions += 1
            self._open.add(connection)
            drops = self.faults.drop_after
            allowance = drops[number] if number < len(drops) else None
            self._start(self._serve, connection, allowance)

    def _serve(self, connection: socket.socket, allowance: int | None) -> None:
        try:
            _Session(self, connection, allowance).run()
        except (OSError, _HangupError):
            pass
        finally:
            self._open.discard(connection)


class _Session:
    """One client's session."""

    def __init__(self, server: FaultyPop3, connection: socket.socket, left: int | None) -> None:
        self._server = server
        self._connection = connection
        self._left = left
        self._user = ""
        self._signed_in = False
        self._listed: list[Message] = []
        self._deleted: set[int] = set()
        self._retrieved: set[int] = set()

    @property
    def _faults(self) -> Faults:
        return self._server.faults

    def run(self) -> None:
        """Speaks until the client or a fault ends it."""
        try:
            if self._server.implicit_tls:
                self._secure()
            self._greet()
            while self._server.stopping.is_set() is False:
                line = self._input.readline()
                if not line:
                    return
                self._hear(line.decode("latin-1").removesuffix("\r\n"))
        finally:
            self._connection.close()

    def _greet(self) -> None:
        self._input = self._connection.makefile("rb")
        while self._faults.endless_greeting:
            self._send(b"+OK " + b"x" * 4096)
        self._send(self._faults.greeting)

    def _secure(self) -> None:
        assert self._server.tls is not None
        plain = self._connection
        self._server._open.discard(plain)
        self._connection = self._server.tls.wrap_socket(plain, server_side=True)
        self._server._open.add(self._connection)
        self._input = self._connection.makefile("rb")

    def _hear(self, line: str) -> None:
        self._server.commands.append(line)
        name, _, arguments = line.partition(" ")
        name = name.upper()
        if name in self._faults.replies:
            self._send(self._faults.replies[name])
            return
        answer = getattr(self, f"do_{name.lower()}", None)
        if answer is None or name in self._faults.without or not self._allowed(name):
            self._say("-ERR unknown command")
            return
        answer(arguments)

    def _allowed(self, name: str) -> bool:
        before = {"USER", "PASS", "AUTH", "STLS", "UTF8"}
        always = {"CAPA", "QUIT"}
        return name in always or (name in before) is not self._signed_in

    def do_capa(self, _: str) -> None:
        faults = self._faults
        lines = ["USER", "RESP-CODES"]
        if self._signed_in or not faults.late_capabilities:
            lines += [name for name in ("TOP", "UIDL") if name not in faults.without]
            lines += ["PIPELINING"] if faults.pipelining else []
        lines += [f"SASL {' '.join(faults.sasl)}"] if faults.sasl else []
        lines += ["UTF8"] if faults.utf8 else []
        lines += [f"EXPIRE {faults.expire}"] if faults.expire is not None else []
        lines += [f"LOGIN-DELAY {faults.login_delay}"] if faults.login_delay is not None else []
        if self._server.tls and not isinstance(self._connection, ssl.SSLSocket):
            lines.append("STLS")
        self._say("+OK", *lines, ".")

    def do_stls(self, _: str) -> None:
        if self._server.tls is None:
            self._say("-ERR no TLS")
            return
        self._send(b"+OK begin\r\n" + self._faults.after_stls)
        self._secure()

    def do_utf8(self, _: str) -> None:
        self._say("+OK" if self._faults.utf8 else "-ERR no UTF8")

    def do_user(self, user: str) -> None:
        self._user = user
        self._say("+OK")

    def do_pass(self, password: str) -> None:
        user, self._user = self._user, ""  # the next PASS needs a USER of its own
        self._sign_in(user, password)

    def do_auth(self, arguments: str) -> None:
        name, _, initial = arguments.partition(" ")
        if name.upper() not in self._faults.sasl:
            self._say("-ERR no such mechanism")
            return
        if not initial:
            self._say("+ ")
            initial = self._input.readline().decode().strip()
            self._server.commands.append(initial)
        try:
            _, user, password = b64decode(initial).decode().split("\0")
        except ValueError:
            user = password = ""
        self._sign_in(user, password)

    def _sign_in(self, user: str, password: str) -> None:
        server = self._server
        if self._faults.refuse_login is not None:
            self._say(f"-ERR {self._faults.refuse_login}")
        elif (user, password) != (server.user, server.password):
            self._say("-ERR [AUTH] wrong user or password")
        elif server.logins < self._faults.early_logins:
            server.logins += 1
            self._say("-ERR [LOGIN-DELAY] too soon")
        else:
            server.logins += 1
            self._signed_in = True
            self._listed = server.mailbox[: self._faults.offered]
            self._say("+OK welcome")

    def do_stat(self, _: str) -> None:
        left = [m for n, m in enumerate(self._listed, 1) if n not in self._deleted]
        self._say(f"+OK {len(left)} {sum(len(m.octets) for m in left)}")

    def do_uidl(self, arguments: str) -> None:
        prefix = "" if self._faults.numberless else "{} "
        self._list(arguments, lambda n, m: prefix.format(n) + m.uidl)

    def do_list(self, arguments: str) -> None:
        self._list(arguments, lambda n, m: f"{n} {self._faults.sizes.get(n, len(m.octets))}")

    def _list(self, arguments: str, line: Any) -> None:
        if not arguments:
            lines = [line(n, m) for n, m in enumerate(self._listed, 1) if n not in self._deleted]
            self._say("+OK", *lines, ".")
        elif number := self._find(arguments):
            self._say(f"+OK {line(number, self._listed[number - 1])}")

    def do_retr(self, arguments: str) -> None:
        if not (number := self._find(arguments)):
            return
        body = _stuffed(self._listed[number - 1].octets)
        if self._faults.stall is not None and self._faults.stall[0] == number:
            self._send(b"+OK\r\n" + body[: self._faults.stall[1]])
            self._server.stopping.wait()
            raise _HangupError
        self._retrieved.add(number)
        self._send(b"+OK\r\n" + body + b".\r\n" + self._faults.tail.get(number, b""))

    def do_top(self, arguments: str) -> None:
        words, _, lines = arguments.partition(" ")
        if number := self._find(words if lines.isdecimal() else ""):
            top = _top(self._listed[number - 1].octets, int(lines))
            self._send(b"+OK\r\n" + _stuffed(top) + b".\r\n")

    def do_dele(self, arguments: str) -> None:
        if number := self._find(arguments):
            self._deleted.add(number)
            self._say("+OK marked")

    def do_rset(self, _: str) -> None:
        self._deleted.clear()
        self._say("+OK")

    def _find(self, words: str) -> int:
        """The number of a message that is there, or 0 once its refusal was sent."""
        server, faults = self._server, self._faults
        number = int(words) if words.isdecimal() else 0
        if not 1 <= number <= len(self._listed) or number in self._deleted:
            self._say("-ERR no such message")
            return 0
        times = server.refused.get(number, 0)
        if number in faults.refuse and (faults.refusals is None or times < faults.refusals):
            server.refused[number] = times + 1
            self._say(f"-ERR {faults.refuse[number]}")
            return 0
        return number

    def do_noop(self, _: str) -> None:
        self._say("+OK")

    def do_quit(self, _: str) -> None:
        if self._faults.refuse_quit is not None:
            self._say(f"-ERR {self._faults.refuse_quit}")
            raise _HangupError
        going = self._deleted | (self._retrieved if self._faults.expire == 0 else set())
        gone = {id(self._listed[number - 1]) for number in going}
        mailbox = self._server.mailbox
        mailbox[:] = [message for message in mailbox if id(message) not in gone]
        self._say("+OK bye")
        raise _HangupError

    def _say(self, *lines: str) -> None:
        self._send("".join(f"{line}\r\n" for line in lines).encode("latin-1"))

    def _send(self, octets: bytes) -> None:
        if self._left is not None and len(octets) >= self._left:
            self._connection.sendall(octets[: self._left])
            if self._faults.reset:
                # Lingering for no time makes closing send a reset.
                linger = struct.pack("ii", 1, 0)
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raise _HangupError
        if self._left is not None:
            self._left -= len(octets)
        self._connection.sendall(octets)


def _top(octets: bytes, lines: int) -> bytes:
    """Header, empty line, which may come first, and so many lines (RFC 1939 section 7)."""
    body = (b"\r\n" + octets).partition(b"\r\n\r\n")[2]
    rest = body.split(b"\r\n", lines)[lines:]
    return octets[: len(octets) - sum(map(len, rest))]


def _stuffed(octets: bytes) -> bytes:
    """The message as it goes over the wire, without its final dot (RFC 1939 section 3)."""
    stuffed = (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:]
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"
