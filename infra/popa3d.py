"""A real popa3d 1.0.3 on loopback: the least that RFC 1939 asks of a POP3 server, and no TLS.

It reads mbox files and signs in by USER and PASS. What it does to mail, as seen:

- Each LF is sent as CRLF, whatever is before it: CRLF on the disk arrives as CRCRLF. NUL, bare CR
  and 8-bit octets are kept, and so is the ``>`` before a ``From`` that the format adds.
- The empty line after a message belongs to the mbox; but where a message has no empty line of its
  own (CRLF on the disk, header fields alone, no octet at all), that line is sent as its end.
- LIST gives the size of what RETR sends, before dots are stuffed.
- A file in which a line begins with ``From`` unquoted is refused: ``-ERR`` to PASS, and EOF.

What else was seen:

- No CAPA, AUTH, STLS or APOP; nearly every answer is ``+OK`` or ``-ERR`` and not a word more, even
  to RETR. A wrong password gets ``-ERR Authentication failed (bad password?)`` and EOF.
- The UIDL is a hash over some header fields: Received and Message-ID among them but not Subject
  or Date. It is the same for every message that has none of them, and for identical ones.
- Sessions of one mailbox run side by side. Once one of them has removed something, the others get
  EOF in answer to RETR, DELE or QUIT, and LIST and STAT as before.
- Who signs in within the second in which the file changed waits for the next one.
- Errors are not counted. Commands sent ahead of their answers, USER among them, are all heard.
"""

from contextlib import ExitStack
from typing import ClassVar

from infra.maildrops import Maildrop, Mbox, crlf, in_mbox
from infra.packaged import PackagedServer


class Popa3d(PackagedServer):
    """A POP3 server without CAPA and TLS, whose UIDLs collide; see ``PackagedServer``."""

    name: ClassVar[str] = "popa3d"

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added."""
        stored = in_mbox(message)
        ends_its_header = b"\n\n" in b"\n" + stored
        return crlf(stored if ends_its_header else stored + b"\n")

    def _start(self, stack: ExitStack) -> None:
        # Who speaks with a client before it has signed in.
        self._root.add_account("popa3d")
        self.port = self._listen(stack, "/usr/sbin/popa3d")

    def _make_maildrop(self, user: str, password: str, owner: int) -> Maildrop:
        del password
        return Mbox(self._root.path / "var/mail" / user, owner)
