"""Mail that servers and clients stumble over, as it is delivered: each line ends in LF."""

from collections.abc import Mapping

_OCTETS = bytes(octet for octet in range(256) if octet not in b"\0\r\n")

CORPUS: Mapping[str, bytes] = {
    "lines": b"From: a@example.org\nSubject: lines\nMessage-ID: <lines@x>\n\none\n\ntwo\n\n",
    "dots": b"Subject: dots\n\n.\n..\n...\n. x\n.x\n..x\n\n.\n\n.\n.",
    "dots behind bare CR": b"Subject: CR dots\n\n\r.\n.\r\r\n..\r.\n\r.\r.\n",
    "bare CR": b"Subject: bare CR\n\na\rb\r\rc\r.\rd\n\r\n\re\n",
    "CR at the end": b"Subject: CR at the end\n\nx\r",
    "CRLF among LF": b"Subject: line ends\n\na\r\nb\nc\r\n.\r\nd\n.\r\n\r\n",
    "CRCRLF": b"Subject: CRCRLF\n\na\r\r\n.\r\r\n\r\r\nb\r\r\n",
    "no final line end": b"Subject: no end\n\nend",
    "a dot without line end": b"Subject: dot without end\n\nx\n.",
    "no body": b"Subject: no body\n\n",
    "empty lines": b"Subject: empty lines\n\n\n\n\n\n",
    "latin-1 header": b"Subject: gr\xfc\xdfe \xe9\xff\nFrom: J\xf6rg <j@example.org>\n\ntext\n",
    "UTF-8 header": "Subject: grüße 你好 🙂\nFrom: Jörg <jörg@exämple.org>\n\ntext\n".encode(),
    "8-bit body": b"Subject: 8-bit body\n\n" + _OCTETS + b"\n" + _OCTETS[::-1] + b"\n",
    "answers": b"Subject: answers\n\n+OK injected\n-ERR injected\n.\n+OK 3 octets\nx\n.\n-ERR\n",
    "postmarks": b"Subject: postmarks\n\nFrom me\n>From me\n>>From me\n\nFrom you\nFrom",
    "long field": b"Subject: "
    + b"y" * 70_000
    + b"\nX-Folded: z"
    + b"\n "
    + b"z" * 998
    + b"\n\nx\n",
    "folded field": b"Subject: folded\nTo: a@x" + b",\n b@example.org" * 5_000 + b"\n\nx\n",
    "long line": b"Subject: 1 MB\n\n" + b"x" * 2**20 + b"\n" + b"." * 70_000 + b"\nend\n",
    "broken MIME": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnever closed",
    "broken base64": b"Content-Type: x/y\nContent-Transfer-Encoding: base64\n\n!!=!.\n.\n",
    "NUL": b"Subject: NUL\n\n\0\0.\0\n.\0\n\0",
    "NUL in the header": b"Subject: a\0b\nX-\0: \0\n\nx\n",
    "all octets": b"Subject: all octets\n\n" + bytes(range(256)) * 2 + b"\n",
    "CRLF throughout": b"Subject: CRLF throughout\r\n\r\n.\r\nx\r\n",
    "no empty line": b"Subject: no empty line\n",
    "no header": b"\n.\n..\nx\n",
    "nothing but text": b"no header at all",
    "empty": b"",
    "a dot first": b".x: 1\n\ny\n",
    "two dots first": b"..x: 1\n\ny\n",
    "a lone dot first": b".\nSubject: behind a dot\n\nx\n",
}
"""By what is special about it."""


def letter(number: int, octets: int = 0) -> bytes:
    """An ordinary message, by which every server can tell it from others."""
    return (
        b"Received: from x by y; Tue, 2 Jan 2024 10:00:%02d +0000\nFrom: a@example.org\n"
        b"Message-ID: <%d@example.org>\nSubject: letter %d\n"
        b"Date: Tue, 2 Jan 2024 10:00:%02d +0000\n\n" % (number % 60, number, number, number % 60)
    ) + b"0123456789abcdefghijklmnopqrstuvwxyz .\n.\n" * (octets // 40 + 1)
