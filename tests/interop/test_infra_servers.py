"""The real servers hold what their fixtures promise."""

import os
import poplib
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from mypy_boto3_s3 import S3Client

from infra.certificate import issue
from infra.dovecot import Dovecot
from infra.fixtures import Bucket, Mailbox
from infra.process import ServerMissing, find

LETTER = b"Subject: hello\r\n\r\n.one\r\ntwo\r\n"

ORPHAN = """
import sys, time
from pathlib import Path
from infra.dovecot import Dovecot
with Dovecot(Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    time.sleep(60)
"""


def log_in(box: Mailbox, session: poplib.POP3) -> poplib.POP3:
    """The session, past its login."""
    session.user(box.user)
    session.pass_(box.password)
    return session


def s3(bucket: Bucket) -> S3Client:
    """A client over TLS that gives up after a second."""
    return boto3.client(
        "s3",
        endpoint_url=bucket.tls_endpoint_url,
        aws_access_key_id=bucket.server.access_key,
        aws_secret_access_key=bucket.server.secret_key,
        region_name=bucket.server.region,
        verify=str(bucket.ca_file),
        config=Config(
            read_timeout=1,
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
        ),
    )


def test_dovecot_serves_what_was_delivered_in_order(mailbox: Mailbox) -> None:
    """Messages come back in order of delivery, and deleted ones are gone from the disk."""
    mailbox.add([LETTER, LETTER + b"three\r\n"])
    session = log_in(mailbox, poplib.POP3("127.0.0.1", mailbox.port, timeout=10))
    assert session.retr(2)[1] == (LETTER + b"three\r\n").splitlines()
    session.dele(1)
    session.quit()
    assert mailbox.left() == [LETTER + b"three\r\n"]


def test_dovecot_speaks_tls_on_both_ports(mailbox: Mailbox) -> None:
    """STLS and implicit TLS are both trusted with the authority's file."""
    context = ssl.create_default_context(cafile=mailbox.ca_file)
    session = poplib.POP3("127.0.0.1", mailbox.port, timeout=10)
    session.stls(context)
    log_in(mailbox, session).quit()
    log_in(mailbox, poplib.POP3_SSL("127.0.0.1", mailbox.tls_port, context=context)).quit()


def test_ceph_answers_over_tls(bucket: Bucket) -> None:
    """What is put over TLS is got back."""
    with closing(s3(bucket)) as client:
        client.put_object(Bucket=bucket.name, Key="a", Body=LETTER)
        with client.get_object(Bucket=bucket.name, Key="a")["Body"] as body:
            assert body.read() == LETTER


def test_a_frozen_ceph_hangs_until_thawed(bucket: Bucket) -> None:
    """While frozen the gateway does not answer, and afterwards it does."""
    with closing(s3(bucket)) as client:
        bucket.server.freeze()
        try:
            with pytest.raises((ReadTimeoutError, ConnectionClosedError)):
                client.put_object(Bucket=bucket.name, Key="a", Body=LETTER)
        finally:
            bucket.server.thaw()
        client.put_object(Bucket=bucket.name, Key="b", Body=LETTER)


def test_servers_end_with_whoever_started_them(dovecot: Dovecot, tmp_path: Path) -> None:
    """Even a process that is killed leaves no server behind."""
    del dovecot  # one can be had here
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as private,
        subprocess.Popen(
            [sys.executable, "-c", ORPHAN, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TMPDIR": private},
            stdout=subprocess.PIPE,
            text=True,
        ) as starter,
    ):
        Path(private).chmod(0o755)
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        assert not is_free(port)
        starter.kill()
        deadline = time.monotonic() + 30
        while not is_free(port):
            assert time.monotonic() < deadline, "Dovecot outlived its starter"
            time.sleep(0.05)


def is_free(port: int) -> bool:
    """Whether nobody listens there; asked without a connection, which would delay an end."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_program_that_is_not_installed_is_named() -> None:
    """The reason for a skip names the server, the program and the package."""
    with pytest.raises(ServerMissing, match=r"Dovecot: no-such-program .* no-such-package"):
        find("Dovecot", "no-such-program", "no-such-package")


def test_dovecot_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where we are not root, Dovecot is missing rather than broken."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("infra.process.find", lambda *_: "dovecot")
    with pytest.raises(ServerMissing, match="only root"), Dovecot(tmp_path):
        pass


def test_a_certificate_is_trusted_by_its_authority_alone(tmp_path: Path) -> None:
    """The authority's file loads as a trust store, and the pair as a server's identity."""
    files = issue(tmp_path)
    ssl.create_default_context(cafile=files.ca_file)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate_file, files.key_file)
