"""The listener and what outlives a session: mailbox, counters, and what was heard."""

import contextlib
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, Self

from infra.faulty_pop3.faults import Faults, HangupError, Message
from infra.faulty_pop3.session import Session
from infra.faulty_pop3.traffic import Traffic


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

    ``commands`` is every line heard, over all sessions; ``sessions`` how many began, ``logins``
    how many were granted or came too early; ``round_trips`` how often a client waited for
    answers before it went on, and ``octets`` how many octets were sent, over all sessions;
    ``traffic`` what passed in each session, by its number from 0;
    ``mailbox`` what is in the mailbox and may be changed between sessions; ``faults`` may be
    replaced. ``onlooker``, if set, is called at QUIT before anything is removed, with the messages
    that the session retrieved and with those that go.
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
        self.onlooker: Callable[[Sequence[Message], Sequence[Message]], None] | None = None
        self.commands: list[str] = []
        self.sessions = 0
        self.logins = 0
        self.attempts = 0
        self.round_trips = 0
        self.octets = 0
        self.traffic: dict[int, Traffic] = defaultdict(Traffic)
        self.last_login: float | None = None
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
        self.open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Answers from now on."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Cuts every session and waits for the threads to end."""
        self.stopping.set()
        for each in (self._listener, *list(self.open)):
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
            self.open.add(connection)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            Session(self, connection, number).run()
        except (OSError, HangupError):
            pass
        finally:
            self.open.discard(connection)
