"""A real Courier POP3 server 1.0 on loopback: STLS on one port, implicit TLS on another.

It runs as Debian's init scripts start it: ``couriertcpd`` at each port, and the authentication
daemon, which has passwords and CRAM secrets from a user database. What it does to mail, as seen:

- Each LF is sent as CRLF, whatever is before it: CRLF on the disk arrives as CRCRLF. NUL, bare CR
  and 8-bit octets are kept. A message without a final LF gets a CRLF, and an empty one is a CRLF.
- A dot that is the first octet of a message is not stuffed: what begins with two of them comes with
  one, and what has a lone one in its first line ends there for the client, out of step.
- LIST gives the octets on the disk and one more for each LF: 2 too few where the final LF lacks,
  3 too few where the message ends with CR. An empty message has 0.
- A message whose header has 8-bit octets comes as an attachment of a letter "Cannot display Unicode
  content" that nobody wrote, unless the client said UTF8 before it signed in. Its size by LIST is
  then that of the message, and RETR says that of the letter in its answer.
- Messages come in the order of their file names, and the UIDL is ``UID``, a number that counts up,
  a hyphen, and the time of the mailbox's first session. Signing in moves what is new to ``cur``,
  and RETR renames it as seen. TOP n 0 gives the header as RETR does, long ones whole.

What else was seen:

- CAPA lists SASL with PLAIN, LOGIN, CRAM-MD5, CRAM-SHA1 and CRAM-SHA256, STLS until TLS is spoken,
  TOP, USER, LOGIN-DELAY 10 (which nothing enforces), PIPELINING, UIDL, UTF8 USER and
  IMPLEMENTATION; the same after sign-in. AUTH without a mechanism is an unknown command. No APOP.
- A wrong password gets ``-ERR Login failed.`` or ``-ERR Authentication failed.`` after 5 seconds;
  the session goes on. Errors are not counted. There are no response codes.
- Sessions of one mailbox run side by side. What one of them removed is gone for the others: RETR
  says ``-ERR Can't open the message file - it's gone!``, DELE and QUIT say ``+OK``.
- DELE takes effect at QUIT alone. TLS ends with close_notify.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import ClassVar

from infra import certificate, keeper, process
from infra.maildrops import Maildir, Maildrop, crlf
from infra.packaged import PackagedServer

_MECHANISMS = "PLAIN LOGIN CRAM-MD5 CRAM-SHA1 CRAM-SHA256"
_ENVIRONMENT = {
    "PATH": "/usr/bin:/usr/sbin",
    "MAILDIRPATH": "Maildir",
    "MIME_UNICODE_MESSAGE_TYPE": "message/global",
    "POP3AUTH": _MECHANISMS,
    "POP3AUTH_TLS": _MECHANISMS,
    "POP3_PROXY": "0",
    "POP3_STARTTLS": "YES",
    "POP3_TLS_REQUIRED": "0",
    "COURIERTLS": "/usr/bin/couriertls",
    "TLS_CERTFILE": "/etc/server.pem",
    "TLS_VERIFYPEER": "NONE",
}
_IMPLICIT_TLS = {**_ENVIRONMENT, "POP3_TLS": "1", "POP3_STARTTLS": "NO"}
_LISTENER = (
    *("/usr/sbin/couriertcpd", "-address=127.0.0.1", "-maxprocs=200", "-maxperip=200"),
    *("-nodnslookup", "-noidentlookup"),
)
_TLS = ("/usr/bin/couriertls", "-server", "-tcpd", "-user=courier")
_SESSION = (
    "/usr/lib/courier/courier/courierpop3login",
    "/usr/lib/courier/courier/courierpop3d",
    "Maildir",
)
_AUTHENTICATION = "/usr/lib/courier/courier-authlib/authdaemond"
_AUTHENTICATION_CONFIG = """\
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=2
authdaemonvar=/run/courier/authdaemon
"""
_MAKE_DATABASE = "/usr/lib/courier/courier-authlib/makedatprog"
_SECRETS: Mapping[str, Sequence[str]] = {
    "systempw": ("/usr/sbin/userdbpw",),
    "hmac-md5pw": ("/usr/sbin/userdbpw", "-hmac-md5"),
    "hmac-sha1pw": ("/usr/sbin/userdbpw", "-hmac-sha1"),
    "hmac-sha256pw": ("/usr/sbin/userdbpw", "-hmac-sha256"),
}
"""The fields of a user's secrets, and what makes each from a password."""


class Courier(PackagedServer):
    """A POP3 server with TLS, CRAM and UTF8, over maildirs; see ``PackagedServer``."""

    name: ClassVar[str] = "courier"
    stls: ClassVar[bool] = True

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message, to a client that said UTF8.

        It does not give them where the first one is a dot.
        """
        return crlf(message if message.endswith(b"\n") else message + b"\n")

    def _start(self, stack: ExitStack) -> None:
        self._users: dict[str, str] = {}
        self._secrets: dict[str, str] = {}
        self._write_databases()
        self._root.write("etc/courier/authdaemonrc", _AUTHENTICATION_CONFIG)
        files = certificate.issue(self.directory)
        self.ca_file = files.ca_file
        both = files.certificate_file.read_text() + files.key_file.read_text()
        self._root.write("etc/server.pem", both, mode=0o600)
        # Who speaks TLS, and whose name the programs look for.
        os.chown(self._root.path / "etc/server.pem", self._root.add_account("courier"), 0)
        for name in ("run/courier/authdaemon", "var/lib/courier"):
            (self._root.path / name).mkdir(parents=True, exist_ok=True)

        self.port, self.tls_port = process.free_ports(2)
        plain = (*_LISTENER, str(self.port), *_SESSION)
        implicit = (*_LISTENER, str(self.tls_port), *_TLS, *_SESSION)
        signs_in = (self._root.path / "run/courier/authdaemon/socket").exists
        started: Sequence[tuple[process.Server, Callable[[], bool]]] = [
            (self._run(stack, _ENVIRONMENT, _AUTHENTICATION), signs_in),
            (self._run(stack, _ENVIRONMENT, *plain), partial(process.answers, self.port)),
            (self._run(stack, _IMPLICIT_TLS, *implicit), partial(process.answers, self.tls_port)),
        ]
        for server, ready in started:
            process.wait_until(ready, "Courier", server, self.log_file)

    def _make_maildrop(self, user: str, password: str, owner: int) -> Maildrop:
        home = Path("/home", user)
        self._users[user] = f"uid={owner}|gid={owner}|home={home}|mail={home}/Maildir"
        self._secrets[user] = "|".join(
            f"{field}={self._tell(password, *command).strip()}"
            for field, command in _SECRETS.items()
        )
        self._write_databases()
        return Maildir(self._root.path / "home" / user / "Maildir", owner)

    def _write_databases(self) -> None:
        """Has Courier's own program write what is known of users, in place of what was there."""
        for name, records in (("userdbshadow", self._secrets), ("userdb", self._users)):
            file = f"/etc/courier/{name}"
            lines = "".join(f"{user}\t{fields}\n" for user, fields in records.items())
            self._tell(f"{lines}.", _MAKE_DATABASE, "-", f"{file}.tmp", f"{file}.dat")

    def _tell(self, text: str, *command: str) -> str:
        done = subprocess.run(
            self._root.command(*command),
            input=f"{text}\n",
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _run(self, stack: ExitStack, settings: Mapping[str, str], *command: str) -> process.Server:
        assigned = (f"{name}={value}" for name, value in settings.items())
        inside = ["env", "--ignore-environment", *assigned, *self._root.command(*command)]
        server = keeper.start(inside, self.log_file)
        stack.callback(keeper.stop, server)
        return server
