"""A real GNU Mailutils 3.15 pop3d on loopback: STLS on one port, implicit TLS on another, APOP.

It reads maildirs, or mbox files as Debian sets it up. What it does to mail, as seen:

- Each LF is sent as CRLF, whatever is before it. NUL, bare CR and 8-bit octets are kept; a message
  without a final LF gets one. Quoted ``From`` lines of an mbox come unquoted (``>From`` for
  ``>>From``).
- A header has to be there and to end with an empty line, of LF alone. From a maildir any other
  message (CRLF on the disk, header fields alone, none at all) is sent as one CRLF, and once UIDL
  was asked the disk holds no more of it than that. In an mbox it swallows the postmark of the
  message behind it, and QUIT, even right after PASS, writes the file without what was lost.
- UIDL gives each message a header field, ``X-UIDL``, with the UIDL as its value, unless it has one
  already: then its value is the UIDL, be it that of another message too. From then on it is sent,
  and it stays: on the disk once the session is over, even one that was dropped.
- In an mbox, every session leaves ``X-UID`` and ``Status`` in each message, and ``X-IMAPbase`` in
  the first: messages are other octets in the next session, and after the first RETR again others.
  ``without_additions`` takes all of these fields away.
- LIST gives the size of what RETR sends at that time: before UIDL another one than after. In an
  mbox the size of a message with quoted lines grows each time it is sent.

What else was seen:

- CAPA lists EXPIRENEVER in one word, USER, STLS, PIPELINING, RESP-CODES and AUTH-RESP-CODE, no
  SASL; IMPLEMENTATION only after sign-in. Commands sent ahead of their answers are all heard.
- A new UIDL is an MD5 of the message, the time and the message's number.
- While a session lasts, another one for the mailbox gets ``-ERR [IN-USE] Mailbox in use`` to PASS,
  and goes on; a wrong password gets ``-ERR [AUTH] Bad login``.
- QUIT says ``-ERR Some deleted messages not removed`` where the mbox is gone, ``+OK`` where it
  was a file of a maildir. Errors are not counted.
"""

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from infra import certificate
from infra.maildrops import Format, Maildir, Maildrop, Mbox, crlf, ended
from infra.packaged import PackagedServer

_CONFIG = """\
mode inetd;
tls-mode {tls_mode};
tls {{
  ssl-certificate-file /etc/server.pem;
  ssl-key-file /etc/server.key;
}};
apop-database-file /etc/apop.passwd;
auth {{
  # The default also lets in who says what stands in the place of the password in /etc/passwd: x.
  authentication clear;
  authentication pam;
}};
mailbox {{
  mailbox-type {mailboxes};
  mailbox-pattern "{mailboxes}:///var/mail/${{user}}";
}};
mandatory-locking {{
  enable yes;
  lock-directory /tmp;
}};
logging {{
  syslog no;
}};
tcp-wrappers {{
  enable no;
}};
"""
_ADDITIONS = re.compile(rb"(?m)^(X-UIDL|X-IMAPbase|X-UID|Status): .*\r\n")


class Mailutils(PackagedServer):
    """A POP3 server with TLS, APOP and locks, that writes into mail; see ``PackagedServer``.

    Args:
        directory: an existing directory for its root, its certificate and its log.
        mailboxes: how they lie on the disk.
    """

    name: ClassVar[str] = "mailutils"
    stls: ClassVar[bool] = True

    def __init__(self, directory: Path, mailboxes: Format = "maildir") -> None:
        """Nothing runs yet."""
        super().__init__(directory)
        self.mailboxes = mailboxes

    def served(self, message: bytes) -> bytes:
        """The octets that RETR ought to give for a message that was added, before any UIDL.

        It is true of messages that have a header, and an empty line of LF behind it.
        """
        return crlf(ended(message))

    @staticmethod
    def without_additions(retrieved: bytes) -> bytes:
        """What RETR gave, without the header fields that the server itself writes."""
        header, gap, body = retrieved.partition(b"\r\n\r\n")
        return _ADDITIONS.sub(b"", header + b"\r\n").removesuffix(b"\r\n") + gap + body

    def _start(self, stack: ExitStack) -> None:
        files = certificate.issue(self.directory)
        self.ca_file = files.ca_file
        self._root.write("etc/server.pem", files.certificate_file.read_text())
        self._root.write("etc/server.key", files.key_file.read_text(), mode=0o600)
        ports = []
        for tls_mode in ("ondemand", "connection"):
            config = _CONFIG.format(tls_mode=tls_mode, mailboxes=self.mailboxes)
            self._root.write(f"etc/{tls_mode}.conf", config)
            command = ("/usr/sbin/pop3d", f"--config-file=/etc/{tls_mode}.conf")
            ports.append(self._listen(stack, *command))
        self.port, self.tls_port = ports

    def _make_maildrop(self, user: str, password: str, owner: int) -> Maildrop:
        self._set_apop_secret(user, password)
        kind = Mbox if self.mailboxes == "mbox" else Maildir
        return kind(self._root.path / "var/mail" / user, owner)

    def _set_apop_secret(self, user: str, secret: str) -> None:
        command = ("/usr/bin/popauth", "--add", "--file=/etc/apop.passwd")
        subprocess.run(
            self._root.command(*command, f"--user={user}", f"--password={secret}"),
            capture_output=True,
            check=True,
        )
