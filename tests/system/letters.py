"""What the mailboxes of these tests hold: ordinary mail from a seed, and what servers also store.

All of it has LF as line ends, as a maildir does; its server makes them CRLF.
"""

from email import message_from_bytes
from email.message import Message

from infra.bench.mailbox import make_messages

INNER = b"From: in@example.com\nSubject: inside\nMessage-ID: <in@example.com>\n\ninner text\n.\nx\n"
LOGO = bytes(range(256)) * 40

HOSTILE = (
    b"",
    b"\n",
    b"\n.\n.\n..\n...\n",
    b"Subject: dots\n\n.\n.\n..x\n.x\n",
    b"Subject: no final newline\n\nend",
    b"Subject: bare CR\n\na\rb\r.\r\rc\r",
    b"Subject: CRLF and LF\r\n\r\na\r\n.\r\nb\nc\r\n",
    b"Subject: CRCRLF\n\na\r\r\n.\r\r\n",
    b"Subject: NUL\n\n\0\0.\0\n.\0\n",
    b"Subject: gr\xfc\xdfe \xe9\xff\nFrom: J\xf6rg <joerg@example.com>\n\n"
    + bytes(range(256))
    + b"\n",
    b"Subject: answers\n\n+OK injected\n-ERR injected\n.\n+OK 3 octets\n",
    b"no header at all",
    b"Subject: one line of 1 MB\n\n" + b"x" * (1 << 20) + b"\n" + b"." * 70_000 + b"\n",
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnever closed",
    b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n!!!=not base64\n",
)


def _leaf(head: bytes, body: bytes) -> bytes:
    return b"--=_mixed\n" + head + b"\n" + body + b"\n"


def _mixed(subject: bytes, *leaves: bytes) -> bytes:
    head = (
        b"From: Jane <jane@example.com>\nTo: me@example.com\nSubject: " + subject + b"\n"
        b"Date: Tue, 02 Jan 2024 10:00:00 +0000\nMessage-ID: <" + subject + b"@example.com>\n"
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_mixed"\n\n'
    )
    return head + b"".join(leaves) + b"--=_mixed--\n"


def _logo(name: bytes) -> bytes:
    from base64 import encodebytes

    head = b'Content-Type: image/png; name="' + name + b'"\nContent-Disposition: attachment\n'
    return _leaf(head + b"Content-Transfer-Encoding: base64\n", encodebytes(LOGO))


FORWARDED = _mixed(
    b"forwarded",
    _leaf(b"Content-Type: text/plain\n", b"see below"),
    _leaf(b"Content-Type: message/rfc822\n", INNER),
)
WITH_LOGO = tuple(
    _mixed(b"logo%d" % number, _leaf(b"Content-Type: text/plain\n", b"hello"), _logo(b"a.png"))
    for number in range(3)
)


def whole_mailbox(count: int, seed: int) -> list[bytes]:
    """``count`` made messages among all the others; one of them is there three times."""
    made = [message.replace(b"\r\n", b"\n") for message in make_messages(count, "mixed", seed)]
    return [
        *made[: count // 2],
        *HOSTILE,
        FORWARDED,
        *WITH_LOGO,
        made[0],
        made[0],
        *made[count // 2 :],
    ]


def parts_by_stdlib(octets: bytes) -> list[bytes]:
    """The decoded parts of a well-formed message, as the standard library reads them."""
    leaves = [leaf for leaf in message_from_bytes(octets).walk() if not leaf.is_multipart()]
    text = next((leaf for leaf in leaves if _is_text(leaf)), None)
    return [_decoded(leaf) for leaf in leaves if leaf is not text]


def _is_text(leaf: Message) -> bool:
    return leaf.get_content_type() == "text/plain" and not leaf.get_content_disposition()


def _decoded(leaf: Message) -> bytes:
    payload = leaf.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload
