"""The messages of the demonstration mailbox: few, but of the kinds that real mailboxes hold.

Each is written out by hand as octets, so that it is the same on every run and does what real mail
does: old charsets, encoded words, HTML without text, inline pictures, attachments with names that
are not ASCII, mail within mail, lists and bounces. Everyone lives under example.com or .org.
"""

import struct
import zlib
from base64 import b64encode, encodebytes
from collections.abc import Iterable
from quopri import encodestring
from urllib.parse import quote

_LINE = b"\r\n"


def demo_messages() -> tuple[bytes, ...]:
    """The messages, oldest first, with CRLF line ends and one at the end of each."""
    contract = _contract()
    return (
        contract,
        _invoice(),
        _minutes(),
        _greetings(),
        _newsletter(),
        _order(),
        _photo(),
        _list_reply(),
        _forward(contract),
        _bounce(),
    )


def _contract() -> bytes:
    text = (
        "Dear Robin,\n\nattached is the contract that we both signed on Monday. It runs for ten"
        " years.\n\n.. and please keep it where you will find it again.\n\nKind regards\nMira\n"
    )
    return _multipart(
        "mixed",
        _fields(
            sender="Mira Novak <mira.novak@example.com>",
            subject="Signed contract, May 2014",
            date="Mon, 12 May 2014 16:04:11 +0200",
            identity="contract-2014",
        ),
        _text(text, "us-ascii", "7bit"),
        _attachment("application/pdf", 'filename="contract-2014.pdf"', _pdf("Contract, May 2014")),
    )


def _invoice() -> bytes:
    text = (
        "Guten Tag,\n\ndie Übersicht für März liegt bei. Die Gebühr beträgt 1.250 £, fällig"
        " am 30. April.\n\nMit freundlichen Grüßen\nJürgen Weiß\n"
    )
    rows = "Posten;Betrag\r\nWartung März;850,00\r\nÜbertrag;400,00\r\n".encode("iso-8859-1")
    name = "filename*=UTF-8''" + quote("Übersicht März.csv")
    return _multipart(
        "mixed",
        _fields(
            sender=f"{_q('Jürgen Weiß')} <j.weiss@example.org>",
            subject=_q("Rückfrage zur Rechnung für März"),
            date="Wed, 01 Apr 2015 09:30:00 +0200",
            identity="rechnung-0315",
        ),
        _text(text, "iso-8859-1", "quoted-printable"),
        _attachment("text/csv; charset=iso-8859-1", name, rows),
    )


def _minutes() -> bytes:
    text = "議事録をお送りします。\n次回の会議は火曜日の十時です。\n\n佐藤\n"
    return _fields(
        sender=f"{_b('佐藤 花子', 'shift_jis')} <hanako.sato@example.com>",
        subject=_b("会議の議事録", "shift_jis"),
        date="Tue, 08 Sep 2015 11:15:42 +0900",
        identity="gijiroku",
    ) + _text(text, "shift_jis", "base64")


def _greetings() -> bytes:
    text = "Здравствуйте!\n\nПоздравляем с Новым годом. Фотографии пришлём позже.\n\nИрина и Олег\n"
    return _fields(
        sender=f"{_b('Ирина Петрова', 'koi8-r')} <irina@example.org>",
        subject=_b("С Новым годом!", "koi8-r"),
        date="Thu, 31 Dec 2015 23:58:00 +0300",
        identity="new-year-2016",
    ) + _text(text, "koi8-r", "8bit")


def _newsletter() -> bytes:
    page = (
        "<!DOCTYPE html>\n<html><head><title>Garden news</title>\n"
        "<style>h1 { color: green }</style></head>\n<body><h1>Garden news</h1>\n"
        "<p>Tulips are <b>20&nbsp;% off</b> until Sunday &ndash; caf&eacute; open.</p>\n"
        '<p><a href="https://shop.example.com/tulips">See them all</a></p>\n</body></html>\n'
    )
    return _fields(
        sender='"Garden & Co." <news@shop.example.com>',
        subject="Tulips, 20 % off",
        date="Fri, 18 Mar 2016 06:00:00 +0000",
        identity="newsletter-12",
        more=("List-Unsubscribe: <https://shop.example.com/unsubscribe>", "Precedence: bulk"),
    ) + _text(page, "utf-8", "quoted-printable", "html")


def _order() -> bytes:
    text = "Your order 4711 is on its way: two pots, 1 × watering can.\nTotal: 39,90 €\n"
    page = "<p>Your order <b>4711</b> is on its way: two pots, 1 × watering can.</p>\n"
    return _multipart(
        "alternative",
        _fields(
            sender="Orders <orders@shop.example.com>",
            subject=f"Your order 4711 {_b('🌷', 'utf-8')}",
            date="Sat, 19 Mar 2016 14:22:05 +0000 (UTC)",
            identity="order-4711",
        ),
        _text(text, "utf-8", "quoted-printable"),
        _text(page, "utf-8", "quoted-printable", "html"),
    )


def _photo() -> bytes:
    page = '<p>The view from our window:</p>\n<img src="cid:view@example.org" alt="view">\n'
    related = _multipart(
        "related",
        b"",
        _text(page, "utf-8", "7bit", "html"),
        _attachment("image/png", 'filename="view.png"', _png(), "inline", "<view@example.org>"),
    )
    return _multipart(
        "alternative",
        _fields(
            sender="Chloé Martin <chloe@example.org>",
            subject="The view — at last",
            date="Sun, 14 Aug 2016 19:45:30 +0200",
            identity="view",
            more=("Cc: Ana <ana@example.com>", "Cc: Luís <luis@example.com>"),
        ),
        _text("The view from our window is attached.\n", "us-ascii", "7bit"),
        related,
    )


def _list_reply() -> bytes:
    text = (
        "On 2 Feb 2017, Sam wrote:\n> Does anybody still read POP3?\n>\n\n"
        "Yes, every day.\n\n.\n\nThe line above holds a single dot.\n\n-- \nKim\n"
    )
    return _fields(
        sender="Kim <kim@example.org>",
        recipient="Mail Club <mail-club@lists.example.org>",
        subject="Re: [mail-club] Does anybody still read POP3?",
        date="Thu, 02 Feb 2017 21:10:00 -0500",
        identity="pop3-lives.2",
        more=(
            "In-Reply-To: <pop3-lives.1@example.org>",
            "References: <pop3-lives.0@example.org>\r\n <pop3-lives.1@example.org>",
            "List-Id: The mail club <mail-club.lists.example.org>",
            "List-Post: <mailto:mail-club@lists.example.org>",
        ),
    ) + _text(text, "utf-8", "8bit")


def _forward(message: bytes) -> bytes:
    forwarded = b"Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n" + message
    return _multipart(
        "mixed",
        _fields(
            sender="Robin <robin@example.com>",
            subject="Fwd: Signed contract, May 2014",
            date="Tue, 05 Jun 2018 08:01:09 +0200",
            identity="fwd-contract",
        ),
        _text("Here is that one contract from 2014. It was in the archive.\n", "us-ascii", "7bit"),
        forwarded,
    )


def _bounce() -> bytes:
    status = (
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
        b"Final-Recipient: rfc822; nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    return _multipart(
        "report; report-type=delivery-status",
        _fields(
            sender="Mail Delivery System <MAILER-DAEMON@mx.example.com>",
            subject="Undelivered Mail Returned to Sender",
            date="Wed, 06 Jun 2018 10:00:00 +0000",
            identity="bounce-1",
            more=("Auto-Submitted: auto-replied",),
        ),
        _text("<nobody@example.org>: no such user here\n", "us-ascii", "7bit"),
        status,
    )


def _fields(
    *,
    sender: str,
    subject: str,
    date: str,
    identity: str,
    recipient: str = "Robin <robin@example.com>",
    more: Iterable[str] = (),
) -> bytes:
    lines = (
        "Received: from mx.example.com by pop.example.com with ESMTP; " + date,
        "From: " + sender,
        "To: " + recipient,
        "Subject: " + subject,
        "Date: " + date,
        f"Message-ID: <{identity}@example.com>",
        *more,
        "MIME-Version: 1.0",
    )
    return "".join(line + "\r\n" for line in lines).encode()


def _text(text: str, charset: str, encoding: str, subtype: str = "plain") -> bytes:
    octets = text.encode(charset)
    if encoding == "base64":
        octets = encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = encodestring(octets)
    head = (
        f"Content-Type: text/{subtype}; charset={charset}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + octets.replace(b"\n", _LINE)


def _attachment(
    kind: str, name: str, octets: bytes, disposition: str = "attachment", content_id: str = ""
) -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Disposition: {disposition};\r\n {name}\r\n"
    if content_id:
        head += f"Content-ID: {content_id}\r\n"
    head += "Content-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + encodebytes(octets).replace(b"\n", _LINE)


def _multipart(subtype: str, fields: bytes, *parts: bytes) -> bytes:
    # Unlike any other boundary of the same message, and the same on every run.
    boundary = f"=_{zlib.crc32(b''.join(parts)):08x}"
    head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'.encode()
    line = f"--{boundary}".encode()
    body = b"".join(line + _LINE + part + _LINE for part in parts)
    return fields + head + body + line + b"--" + _LINE


def _b(text: str, charset: str) -> str:
    return f"=?{charset}?B?{b64encode(text.encode(charset)).decode()}?="


def _q(text: str) -> str:
    octets = encodestring(text.encode("iso-8859-1"), header=True).decode()
    return f"=?ISO-8859-1?Q?{octets}?="


def _pdf(title: str) -> bytes:
    drawing = f"BT /F1 24 Tf 72 720 Td ({title}) Tj ET".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    )
    octets = b"%PDF-1.4\n"
    entries = b"0000000000 65535 f \n"
    for number, each in enumerate(objects, 1):
        entries += b"%010d 00000 n \n" % len(octets)
        octets += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    count = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return octets + b"xref\n0 %d\n%b" % (count, entries) + trailer % (count, len(octets))


def _png(side: int = 32) -> bytes:
    # A sky that gets lighter towards the horizon: each row starts with its filter, none.
    rows = b"".join(b"\0" + bytes((6 * y, 7 * y, 255)) * side for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
