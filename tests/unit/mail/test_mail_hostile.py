"""Messages made to do harm: there is always an answer, and always the same one."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import NOW, hostile, read, read_with_parts

from archiver.mail import mail_json

HOSTILE = hostile()
SOUND = (
    b"Subject: a\r\nFrom: A <a@x>\r\nTo: b@x,\r\n c@x\r\nMessage-ID: <m@x>\r\n"
    b"Date: Mon, 1 Jan 2001 00:00:00 +0000\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    b"--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n"
    b"--bb\r\n\r\nt=E4xt\r\n--bb\r\nContent-Type: text/html\r\n\r\n<p>text\r\n--bb--\r\n"
    b'--b\r\nContent-Type: a/b; name="n"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    b"AAEC\r\nAwQF\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3D=\r\nb\r\n"
    b"--b--\r\nepilogue\r\n"
)
PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"--", b"--b", b'"', b"=?utf-8?b?", b"?=", b";", b"\\", b"("),
        *(b"<", b"\0", b"\xff", b"=", b":", b" ", b"To: ", b"x", b"charset=utf-7"),
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Type: text/html\r\n",
    ]
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_have_an_answer(name: str) -> None:
    """No message raises, and its record is valid JSON in UTF-8."""
    json.dumps(mail_json(read(HOSTILE[name])), ensure_ascii=False).encode()


@given(st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=40).map(b"".join))
@settings(max_examples=150, deadline=None)
def test_any_octets_have_an_answer(octets: bytes) -> None:
    """Whatever the octets, there is a record that JSON can hold."""
    json.dumps(mail_json(read(octets)), ensure_ascii=False).encode()


@given(st.integers(0, len(SOUND)))
@settings(max_examples=150, deadline=None)
def test_truncation_keeps_what_is_whole(end: int) -> None:
    """A message cut anywhere keeps each field whose line was whole before the cut."""
    whole, cut = read(SOUND), read(SOUND[:end])
    for line, name in (
        (b"Subject: a\r\n", "subject"),
        (b"<a@x>\r\n", "authors"),
        (b" c@x\r\n", "to"),
        (b"<m@x>\r\n", "message_id"),
        (b"+0000\r\n", "date"),
    ):
        if SOUND.index(line) + len(line) <= end:
            assert getattr(cut, name) == getattr(whole, name)


def test_truncated_parts_begin_as_the_whole_ones() -> None:
    """Parts of a message that was cut are the first octets of what they would have been."""
    _, whole = read_with_parts(SOUND)
    _, cut = read_with_parts(SOUND[: SOUND.index(b"AwQF")])
    assert whole[1] == bytes(range(6))
    assert cut[:2] == [whole[0], whole[1][:3]]


def test_deep_nesting_becomes_one_leaf() -> None:
    """The hundred-and-first multipart in one another is a part as it stands."""
    mail = read(HOSTILE["nested"])
    assert "too-deep" in mail.defects
    assert [part.type for part in mail.parts] == ["multipart/mixed"]


def test_parts_beyond_the_limit_are_not_listed() -> None:
    """The text and 9,999 parts are listed, and the rest is a defect."""
    mail = read(HOSTILE["parts"])
    assert len(mail.parts) == 9_999
    assert "too-many-parts" in mail.defects


def test_large_attachments_do_not_fill_memory(tmp_path: Path) -> None:
    """Ten megabytes of attachment are read in pieces, far below their size."""
    from archiver.mail import read_mail

    path = tmp_path / "large.eml"
    line = b"QUJD" * 19 + b"\r\n"
    head = b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    path.write_bytes(head + line * (10 * 1024 * 1024 // len(line)))
    with path.open("rb") as stream:
        read_mail(stream, digest="", header_digest="", size=len(head))
        tracemalloc.start()
        try:
            mail = read_mail(stream, digest="", header_digest="", size=path.stat().st_size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert mail.parts[0].size > 7 * 1024 * 1024
    assert peak < 2 * 1024 * 1024


def test_records_do_not_depend_on_the_hash_seed() -> None:
    """Two interpreters with different hash seeds give the same records."""
    program = (
        "import hashlib, json, mail_samples as s\n"
        "from archiver.mail import mail_json\n"
        "for name, octets in sorted(s.hostile().items()):\n"
        "    record = json.dumps(mail_json(s.read(octets))).encode()\n"
        "    print(name, hashlib.sha256(record).hexdigest())\n"
    )
    here = str(Path(__file__).parent)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": here},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")
    ]
    outputs = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(outputs) == 1
    assert outputs.pop().count(b"\n") == len(HOSTILE)


def test_the_same_message_is_read_the_same_twice() -> None:
    """Reading changes nothing that a second reading could notice."""
    assert read(SOUND, NOW) == read(SOUND, NOW)
