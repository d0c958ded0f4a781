"""A real solid-pop3d 0.15 on loopback: USER and PASS, APOP, and no TLS.

It reads maildirs, or mbox files as Debian sets it up. What it does to mail, as seen:

- Each LF is sent as CRLF, whatever is before it: CRLF on the disk arrives as CRCRLF. NUL, bare CR
  and 8-bit octets are kept, and in an mbox the ``>`` before a ``From`` that the format adds.
- From an mbox every message comes with one empty line more, the one between two messages.
- From a maildir, an empty message is an answer without a line: ``+OK 0 octets`` and the dot.
- LIST gives the size of what RETR sends, before dots are stuffed.
- A file in a maildir without a final LF bars the mailbox: ``-ERR message is damaged`` to PASS.

What else was seen:

- No CAPA, AUTH or STLS. A wrong password gets ``-ERR authentication failed``, a second later, and a
  closed connection, often by reset. So does the fifth error of a session, of whatever kind, be it a
  question for CAPA or a message that is not there.
- Messages in a maildir come in the order of their files' times; the UIDL is a hash of the file's
  name, without its flags. In an mbox it is a hash over some header fields, Subject, Date and
  Received among them but not Message-ID: messages that are alike in those have the same.
- Commands sent ahead of the answer to PASS are lost.
- Sessions of one mailbox run side by side. Once one of them has removed something, the others get
  EOF in answer to RETR, DELE or QUIT, and STAT as before.
- QUIT says ``+OK`` even where a message that it was to remove was gone already.
"""

import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from infra.maildrops import Format, Maildir, Maildrop, Mbox, crlf, ended, in_mbox
from infra.packaged import PackagedServer

_CONFIG = """\
<Global>
    MailDropName "{name}"
    MailDropType {kind}
    AddBulletins no
</Global>
"""
_MAILDROPS = {"maildir": ("Maildir", "maildir"), "mbox": ("/var/mail/%s", "mailbox")}


class SolidPop3d(PackagedServer):
    """A POP3 server with APOP, without CAPA and TLS; see ``PackagedServer``.

    Args:
        directory: an existing directory for its root and its log.
        mailboxes: how they lie on the disk.
    """

    name: ClassVar[str] = "solid-pop3d"

    def __init__(self, directory: Path, mailboxes: Format = "maildir") -> None:
        """Nothing runs yet."""
        super().__init__(directory)
        self.mailboxes = mailboxes

    def add(self, user: str, messages: Iterable[bytes]) -> None:
        """Delivers messages, each with a final LF, for want of which nobody could sign in."""
        super().add(user, map(ended, messages))

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added."""
        return crlf(in_mbox(message) + b"\n" if self.mailboxes == "mbox" else ended(message))

    def _start(self, stack: ExitStack) -> None:
        # Who speaks with a client before it has signed in.
        self._root.add_account("spop3d")
        name, kind = _MAILDROPS[self.mailboxes]
        self._root.write("etc/spop3d.conf", _CONFIG.format(name=name, kind=kind))
        self.port = self._listen(stack, "/usr/sbin/solid-pop3d")

    def _make_maildrop(self, user: str, password: str, owner: int) -> Maildrop:
        self._set_apop_secret(password, owner)
        if self.mailboxes == "mbox":
            return Mbox(self._root.path / "var/mail" / user, owner)
        return Maildir(self._root.path / "home" / user / "Maildir", owner)

    def _set_apop_secret(self, secret: str, owner: int) -> None:
        subprocess.run(
            self._root.command("/usr/bin/pop_auth", user=owner),
            input=f"{secret}\n" * 2,
            capture_output=True,
            text=True,
            check=True,
        )
