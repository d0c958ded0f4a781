"""One client's session: the commands of RFC 1939, RFC 2449 and RFC 6856, and their faults."""

import socket
import ssl
import struct
import time
from base64 import b64decode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from infra.faulty_pop3.faults import Faults, HangupError, Message

if TYPE_CHECKING:
    from infra.faulty_pop3.server import FaultyPop3


class Session:
    """What goes on in one connection; ``number`` counts the server's connections from 0."""

    def __init__(self, server: "FaultyPop3", connection: socket.socket, number: int) -> None:
        """Takes over a new connection."""
        self._server = server
        self._connection = connection
        self._left = _of(server.faults.drop_after, number)
        self._commands_left = _of(server.faults.drop_at, number)
        self._answers_left = _of(server.faults.silent_at, number)
        self._traffic = server.traffic[number]
        self._errors = 0
        self._heard = b""
        self._waited = False
        self._user = ""
        self._utf8 = False
        self._signed_in = False
        self._listed: list[Message] = []
        self._deleted: set[int] = set()
        self._taken: list[Message] = []
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
                line = self._line()
                if not line:
                    return
                self._hear(line)
        finally:
            self._connection.close()

    def _greet(self) -> None:
        if self._answers_left == 0:
            self._fall_silent()
        while self._faults.endless_greeting:
            self._send(b"+OK " + b"x" * 4096)
        self._send(self._faults.greeting)

    def _secure(self) -> None:
        if self._faults.silent_handshake:
            self._fall_silent()
        assert self._server.tls is not None
        plain = self._connection
        self._server.open.discard(plain)
        self._connection = self._server.tls.wrap_socket(plain, server_side=True)
        self._server.open.add(self._connection)
        self._heard = b""

    def _line(self) -> str:
        """The next line without its end, or nothing where the client has gone."""
        while (end := self._heard.find(b"\n")) < 0:
            if not self._waited:
                self._server.round_trips += 1
                self._waited = True
            octets = self._connection.recv(65536)
            if not octets:
                return ""
            self._heard += octets
        line, self._heard = self._heard[: end + 1], self._heard[end + 1 :]
        self._waited = False
        if self._faults.unpipelined:
            self._heard = b""
        return line.decode("latin-1").removesuffix("\n").removesuffix("\r") or " "

    def _hear(self, line: str) -> None:
        self._server.commands.append(line)
        self._traffic.commands += 1
        if self._commands_left is not None:
            self._commands_left -= 1
            if self._commands_left <= 0:
                self._cut()
        if self._answers_left is not None:
            self._answers_left -= 1
            if self._answers_left <= 0:
                self._fall_silent()
        name, _, arguments = line.partition(" ")
        name = name.upper()
        if name in self._faults.when:
            self._faults.when[name]()
        if name in self._faults.replies:
            self._send(self._faults.replies[name])
            return
        answer = getattr(self, f"_do_{name.lower()}", None)
        if answer is None or name in self._faults.without or not self._allowed(name):
            self._refuse("unknown command")
            return
        answer(arguments)

    def _allowed(self, name: str) -> bool:
        before = {"USER", "PASS", "AUTH", "STLS", "UTF8"}
        always = {"CAPA", "QUIT"}
        return name in always or (name in before) is not self._signed_in

    def _do_capa(self, _: str) -> None:
        faults = self._faults
        lines = ["USER", "RESP-CODES"]
        if self._signed_in or not faults.late_capabilities:
            lines += [name for name in ("TOP", "UIDL") if name not in faults.without]
            lines += ["PIPELINING"] if faults.pipelining else []
        lines += [f"SASL {' '.join(faults.sasl)}"] if faults.sasl else []
        lines += ["UTF8"] if faults.utf8 else []
        lines += [f"EXPIRE {faults.expire}"] if faults.expire is not None else []
        lines += [f"LOGIN-DELAY {faults.login_delay}"] if faults.login_delay is not None else []
        lines += faults.capabilities
        if self._server.tls and not isinstance(self._connection, ssl.SSLSocket):
            lines.append("STLS")
        self._say("+OK", *lines, ".")

    def _do_stls(self, _: str) -> None:
        if self._server.tls is None:
            self._refuse("no TLS")
            return
        self._send(b"+OK begin\r\n" + self._faults.after_stls)
        self._secure()

    def _do_utf8(self, _: str) -> None:
        if not self._faults.utf8:
            self._refuse("no UTF8")
            return
        self._utf8 = True
        self._say("+OK")

    def _do_user(self, user: str) -> None:
        self._user = user
        self._say("+OK")

    def _do_pass(self, password: str) -> None:
        user, self._user = self._user, ""  # the next PASS needs a USER of its own
        self._sign_in(user, password)

    def _do_auth(self, arguments: str) -> None:
        name, _, initial = arguments.partition(" ")
        if name.upper() not in self._faults.sasl:
            self._refuse("no such mechanism")
            return
        if not initial:
            self._say("+ ")
            initial = self._line().strip()
            self._server.commands.append(initial)
        try:
            _, user, password = b64decode(initial).decode().split("\0")
        except ValueError:
            user = password = ""
        self._sign_in(user, password)

    def _sign_in(self, user: str, password: str) -> None:
        server = self._server
        refusal = self._login_refusal(user, password)
        if refusal is not None:
            self._refuse(refusal)
            return
        server.logins += 1
        server.last_login = time.monotonic()
        self._signed_in = True
        offered = self._faults.offered
        if self._faults.newest and offered is not None:
            self._listed = server.mailbox[-offered:]
        else:
            self._listed = server.mailbox[:offered]
        self._say("+OK welcome")

    def _login_refusal(self, user: str, password: str) -> str | None:
        """What follows -ERR to this login, or None where it is granted."""
        server, faults = self._server, self._faults
        server.attempts += 1
        if faults.refuse_login is not None:
            return faults.refuse_login
        if (user, password) != (server.user, server.password):
            return "[AUTH] wrong user or password"
        if server.logins < faults.early_logins:
            server.logins += 1
            return "[LOGIN-DELAY] too soon"
        if faults.enforces_delay and server.last_login is not None:
            waited = time.monotonic() - server.last_login
            if waited < (faults.login_delay or 0):
                return f"[LOGIN-DELAY] only {waited:.3f} s have passed"
        return _of(faults.login_refusals, server.attempts - 1) or None

    def _do_stat(self, _: str) -> None:
        left = [m for n, m in enumerate(self._listed, 1) if n not in self._deleted]
        self._say(f"+OK {len(left)} {sum(len(m.octets) for m in left)}")

    def _do_uidl(self, arguments: str) -> None:
        prefix = "" if self._faults.numberless else "{} "
        self._list(arguments, lambda n, m: prefix.format(n) + m.uidl, self._faults.unnamed)
        for message in self._listed if self._faults.grows else ():
            message.octets = self._faults.grows + message.octets
        for uidl, octets in self._faults.arrives:
            if all(message.uidl != uidl for message in self._server.mailbox):
                self._server.mailbox.append(Message(uidl, octets))
                self._listed.append(self._server.mailbox[-1])

    def _do_list(self, arguments: str) -> None:
        sizes = self._faults.sizes
        self._list(arguments, lambda n, m: f"{n} {sizes.get(n, len(m.octets))}", ())

    def _list(self, arguments: str, line: Any, hidden: Any) -> None:
        if not arguments:
            numbered = enumerate(self._listed, 1)
            lines = [line(n, m) for n, m in numbered if n not in self._deleted | set(hidden)]
            self._say("+OK", *lines, ".")
        elif number := self._find(arguments):
            self._say(f"+OK {line(number, self._listed[number - 1])}")

    def _do_retr(self, arguments: str) -> None:
        if not (number := self._find(arguments)):
            return
        if number in self._faults.cuts:
            self._cut()
        body = self._wire(self._listed[number - 1].octets)
        if self._faults.stall is not None and self._faults.stall[0] == number:
            self._send(b"+OK\r\n" + body[: self._faults.stall[1]])
            self._fall_silent()
        self._retrieved.add(number)
        self._send(b"+OK\r\n" + body + b".\r\n" + self._faults.tail.get(number, b""))

    def _do_top(self, arguments: str) -> None:
        words, _, lines = arguments.partition(" ")
        if number := self._find(words if lines.isdecimal() else ""):
            octets = self._listed[number - 1].octets
            top = _top(octets if self._faults.top is None else self._faults.top, int(lines))
            self._send(b"+OK\r\n" + self._wire(top[: self._faults.top_octets]) + b".\r\n")

    def _wire(self, octets: bytes) -> bytes:
        """A message as it goes over the wire, without its final dot (RFC 1939 section 3)."""
        surrogate = self._faults.surrogate
        header = octets.partition(b"\r\n\r\n")[0]
        if surrogate is not None and not self._utf8 and not header.isascii():
            octets = surrogate
        doubled = b"\r\n." if self._faults.unstuffed else b"\r\n.."
        stuffed = (b"\r\n" + octets).replace(b"\r\n.", doubled)[2:]
        return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"

    def _do_dele(self, arguments: str) -> None:
        if not (number := self._find(arguments)):
            return
        if number in self._faults.undeletable:
            self._refuse("it stays")
            return
        if self._faults.renumbers:
            self._taken.append(self._listed.pop(number - 1))
        elif not self._faults.ignores_dele:
            self._deleted |= {number, number + 1} if self._faults.overdoes else {number}
        self._say("+OK marked")

    def _do_rset(self, _: str) -> None:
        self._listed[:0], self._taken = self._taken, []
        self._deleted.clear()
        self._say("+OK")

    def _find(self, words: str) -> int:
        """The number of a message that is there, or 0 once its refusal was sent."""
        server, faults = self._server, self._faults
        number = int(words) if words.isdecimal() else 0
        if not 1 <= number <= len(self._listed) or number in self._deleted:
            self._refuse("no such message")
            return 0
        times = server.refused.get(number, 0)
        if number in faults.refuse and (faults.refusals is None or times < faults.refusals):
            server.refused[number] = times + 1
            self._refuse(faults.refuse[number])
            return 0
        return number

    def _do_noop(self, _: str) -> None:
        self._say("+OK")

    def _do_quit(self, _: str) -> None:
        if self._faults.refuse_quit is not None:
            self._say(f"-ERR {self._faults.refuse_quit}")
            raise HangupError
        hides = self._faults.hides or self._faults.expire == 0
        deleted = set() if self._faults.keeps else self._deleted
        going = self._taken + self._messages(deleted | (self._retrieved if hides else set()))
        if self._server.onlooker is not None:
            self._server.onlooker(self._messages(self._retrieved), going)
        gone = {id(message) for message in going}
        mailbox = self._server.mailbox
        mailbox[:] = [message for message in mailbox if id(message) not in gone]
        self._say("+OK bye")
        raise HangupError

    def _messages(self, numbers: set[int]) -> list[Message]:
        there = range(1, len(self._listed) + 1)
        return [self._listed[number - 1] for number in sorted(numbers) if number in there]

    def _refuse(self, text: str) -> None:
        self._errors += 1
        if self._faults.patience is not None and self._errors >= self._faults.patience:
            self._cut(reset=True)
        self._say(f"{self._faults.word} {text}")

    def _say(self, *lines: str) -> None:
        self._send("".join(f"{line}\r\n" for line in lines).encode("latin-1"))

    def _send(self, octets: bytes) -> None:
        if self._left is not None and len(octets) >= self._left:
            self._count(self._left)
            self._connection.sendall(octets[: self._left])
            self._cut()
        if self._left is not None:
            self._left -= len(octets)
        self._count(len(octets))
        self._connection.sendall(octets)

    def _fall_silent(self) -> NoReturn:
        self._server.stopping.wait()
        raise HangupError

    def _count(self, octets: int) -> None:
        self._server.octets += octets
        self._traffic.sent(octets)

    def _cut(self, *, reset: bool = False) -> None:
        if reset or self._faults.reset:
            # Lingering for no time makes closing send a reset.
            linger = struct.pack("ii", 1, 0)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise HangupError


def _of(sequence: Sequence[Any], number: int) -> Any:
    return sequence[number] if number < len(sequence) else None


def _top(octets: bytes, lines: int) -> bytes:
    """Header, empty line, which may come first, and so many lines (RFC 1939 section 7)."""
    body = (b"\r\n" + octets).partition(b"\r\n\r\n")[2]
    rest = body.split(b"\r\n", lines)[lines:]
    return octets[: len(octets) - sum(map(len, rest))]
