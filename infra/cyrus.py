"""A real Cyrus POP3 server 3.6 on loopback: STLS on one port, implicit TLS on another.

Its master process starts a process for each session, and SASL's own database has the passwords. A
mailbox is a folder with a file for each message and an index, which Cyrus makes from the files.
What it does to mail, as seen:

- Mail lies with CRLF on the disk and is sent as it lies there, bare CR and 8-bit octets too. A
  message without a final LF gets a CRLF, and a bare LF on the disk is sent as a bare LF.
- The rest of a line behind a NUL is lost on the way to the client, its end too. Delivery (LMTP)
  refuses mail with NUL, makes each LF a CRLF and drops a bare CR.
- LIST gives the size on the disk: 2 too few where the final LF lacks. TOP n 0 gives the header as
  RETR does, long ones whole.
- The UIDL is the time at which the mailbox was made, a dot, and the message's number in it, which
  counts up.

What else was seen:

- CAPA lists SASL with PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5 and SCRAM, over TLS also SCRAM with PLUS;
  STLS until TLS is spoken, USER, EXPIRE NEVER, LOGIN-DELAY 0, TOP, UIDL, PIPELINING, RESP-CODES,
  AUTH-RESP-CODE and IMPLEMENTATION. After sign-in SASL, STLS and USER are gone. APOP is there.
- A wrong password gets ``-ERR [AUTH] Invalid login``, or with AUTH ``-ERR [AUTH] authenticating:
  authentication failure``, after 3 seconds; the session goes on. Errors are not counted.
- Sessions of one mailbox run side by side. What one of them removed the others still retrieve.
- DELE takes effect at QUIT alone. TLS ends without close_notify.
- Who may sign in by PLAIN on behalf of others has no mailbox (``let_postmaster_in``).
"""

import os
import poplib
import re
import subprocess
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import ClassVar

from infra import certificate, keeper, process
from infra.maildrops import Maildrop
from infra.packaged import PackagedServer
from infra.syslog import Syslog

_PROGRAMS = "/usr/lib/cyrus/bin"
_SETTINGS = "/etc/settings.conf"
_SERVICES = "/etc/services.conf"
_PASSWORDS = "/etc/sasldb2"
_REALM = "localhost"
_FOLDERS = (
    *("run", "var/spool/cyrus", "var/lib/cyrus"),
    *(f"var/lib/cyrus/{name}" for name in ("db", "lock", "proc", "socket", "user")),
)
_SETTINGS_TEXT = f"""\
configdirectory: /var/lib/cyrus
partition-default: /var/spool/cyrus
defaultpartition: default
servername: {_REALM}
proxyservers: postmaster
allowplaintext: yes
allowapop: yes
autocreate_quota: 0
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-224 SCRAM-SHA-256 \
SCRAM-SHA-384 SCRAM-SHA-512
sasl_sasldb_path: {_PASSWORDS}
tls_server_cert: /etc/server.pem
tls_server_key: /etc/server.key
"""
_SERVICES_TEXT = """\
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {settings} -r"
}}
SERVICES {{
  pop3 cmd="{programs}/pop3d -C {settings}" listen="127.0.0.1:{port}" prefork=1
  pop3s cmd="{programs}/pop3d -C {settings} -s" listen="127.0.0.1:{tls_port}" prefork=0
}}
EVENTS {{
}}
"""
# How mbexamine begins what it says of a message that is not expunged.
_RECORD = re.compile(r"^\d+> UID:(\d+) +INT_DATE:", re.MULTILINE)


class Cyrus(PackagedServer):
    """A POP3 server with TLS, APOP and SCRAM, that stores CRLF; see ``PackagedServer``."""

    name: ClassVar[str] = "cyrus"
    stls: ClassVar[bool] = True

    def add_user(self, user: str, password: str) -> None:
        """Lets ``user``, in small ASCII letters and without at signs, in to an empty mailbox."""
        super().add_user(user, password)

    def add(self, user: str, messages: Iterable[bytes]) -> None:
        """Delivers messages in this order, each LF as CRLF and otherwise octet for octet.

        Raises:
            ValueError: one of them is none that Cyrus ``stores``.
        """
        letters = list(messages)
        if not all(map(self.stores, letters)):
            raise ValueError("Cyrus stores no message with NUL, and none without any octet")
        super().add(user, letters)

    def let_postmaster_in(self, password: str) -> None:
        """Lets ``postmaster`` sign in on behalf of any other user."""
        self._set_password("postmaster", password)

    def stores(self, message: bytes) -> bool:
        """Whether a message like this can lie in a mailbox."""
        return message != b"" and b"\0" not in message

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added."""
        stored = in_cyrus(message)
        return stored if stored.endswith(b"\n") else stored + b"\r\n"

    def _start(self, stack: ExitStack) -> None:
        self._owner = self._root.add_account("cyrus")
        for name in _FOLDERS:
            (self._root.path / name).mkdir(parents=True, exist_ok=True)
            self._own(name)
        files = certificate.issue(self.directory)
        self.ca_file = files.ca_file
        self._root.write("etc/server.pem", files.certificate_file.read_text())
        self._root.write("etc/server.key", files.key_file.read_text(), mode=0o600)
        self._own("etc/server.key")
        self.port, self.tls_port = process.free_ports(2)
        services = _SERVICES_TEXT.format(
            programs=_PROGRAMS, settings=_SETTINGS, port=self.port, tls_port=self.tls_port
        )
        self._root.write(_SERVICES.lstrip("/"), services)
        self._root.write(_SETTINGS.lstrip("/"), _SETTINGS_TEXT)

        stack.enter_context(Syslog(self._root.path, self.log_file))
        files_named = ("-C", _SETTINGS, "-M", _SERVICES, "-p", "/run/master.pid")
        master = self._root.command(f"{_PROGRAMS}/master", "-D", *files_named)
        server = keeper.start(master, self.log_file)
        stack.callback(keeper.stop, server)
        for port in (self.port, self.tls_port):
            ready = partial(process.answers, port)
            process.wait_until(ready, "Cyrus", server, self.log_file)

    def _make_maildrop(self, user: str, password: str, owner: int) -> Maildrop:
        del owner  # all mail is Cyrus's own
        self._set_password(user, password)
        # The first session makes the mailbox.
        session = poplib.POP3("127.0.0.1", self.port)
        session.user(user)
        session.pass_(password)
        session.quit()
        folder = self._administer("mbpath", f"user/{user}").strip()
        administer = partial(self._administer, mailbox=f"user/{user}")
        return _Folder(self._root.path / folder.lstrip("/"), self._owner, administer)

    def _set_password(self, user: str, password: str) -> None:
        options = ("-p", "-c", "-u", _REALM, "-f", _PASSWORDS)
        self._tell(f"{password}\n", "/usr/sbin/saslpasswd2", *options, user)
        self._own(_PASSWORDS.lstrip("/"))

    def _administer(self, program: str, mailbox: str) -> str:
        return self._tell("", f"{_PROGRAMS}/{program}", "-C", _SETTINGS, mailbox)

    def _tell(self, text: str, *command: str) -> str:
        done = subprocess.run(
            self._root.command(*command), input=text.encode(), capture_output=True, check=True
        )
        # What a program says of mail has octets of the mail in it.
        return done.stdout.decode(errors="replace")

    def _own(self, name: str) -> None:
        os.chown(self._root.path / name, self._owner, self._owner)


class _Folder:
    """A mailbox, made empty by Cyrus.

    Args:
        folder: where it lies.
        owner: the user as whom Cyrus runs.
        administer: runs one of Cyrus's programs on this mailbox, and gives what it says.
    """

    def __init__(self, folder: Path, owner: int, administer: Callable[[str], str]) -> None:
        """Takes note of where it is."""
        self._folder = folder
        self._owner = owner
        self._administer = administer
        self._last = 0

    def add(self, messages: Iterable[bytes]) -> None:
        """Puts messages into the folder in this order, and then into the index."""
        for message in messages:
            self._last += 1
            file = self._folder / f"{self._last}."
            file.write_bytes(in_cyrus(message))
            os.chown(file, self._owner, self._owner)
        self._administer("reconstruct")

    def left(self) -> list[bytes]:
        """The octets of every message that the index has, in order of delivery.

        A file that the index no longer has stays for some time.
        """
        uids = _RECORD.findall(self._administer("mbexamine"))
        return [(self._folder / f"{int(uid)}.").read_bytes() for uid in uids]


def in_cyrus(message: bytes) -> bytes:
    """A message as it lies on the disk: every line ended by CRLF."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", message)
