"""Memory stays flat however large a message is: what each process held at the most.

Figures are the kernel's own high-water mark of each process, which the page cache is no part of.
"""

import re
import time
from base64 import encodebytes
from pathlib import Path

import psutil
from by_hand import Place
from command import Archiver, source

from infra.fixtures import Mailbox

MIB = 1 << 20
_SECONDS_BETWEEN_LOOKS = 0.02


def run_and_watch(archiver: Archiver, *arguments: object) -> tuple[int, int]:
    """Runs a command to its end; the most octets resident in it, and in any process it started."""
    process = archiver.start(*arguments)
    main = workers = 0
    try:
        while process.poll() is None:
            main = max(main, resident(process.pid))
            for child in children(process.pid):
                workers = max(workers, resident(child))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        _, stderr = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, stderr
    return main, workers


def children(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(pid: int) -> int:
    """The high-water mark of a process in octets; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) << 10 if found else 0


def test_a_message_of_200_mb(mailbox: Mailbox, archiver: Archiver, place: Place) -> None:
    """A huge message costs the main process no more memory than small ones do."""
    archiver.environment.update(place.environment)
    options = (*source(mailbox), "--store", place.url, "--state", "s", "--workers", "1")
    mailbox.add(b"Subject: small %d\n\ntext\n" % n for n in range(20))
    small, _ = run_and_watch(archiver, "run", *options)
    mailbox.add([b"Subject: huge\n\n" + (b"x" * 999 + b"\n") * 200_000])
    huge, worker = run_and_watch(archiver, "run", *options)
    assert huge < small + 30 * MIB
    assert worker < 200 * MIB


def test_attachments_of_50_mb(mailbox: Mailbox, archiver: Archiver, place: Place) -> None:
    """Large attachments are decoded in little memory, and none of it in the main process."""
    archiver.environment.update(place.environment)
    decoded = [bytes(n) + b"\0\xff\x80" * (25 * MIB // 3) for n in range(2)]
    head = b"Subject: two\nContent-Type: multipart/mixed; boundary=b\n\n"
    attached = b"--b\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\n"
    mailbox.add([head + b"".join(attached + encodebytes(p) for p in decoded) + b"--b--\n"])
    options = (*source(mailbox), "--store", place.url, "--state", "s", "--workers", "1")
    main, worker = run_and_watch(archiver, "run", *options)
    assert main < 150 * MIB
    assert worker < 200 * MIB
    parts = {len(octets) for key, octets in place.objects().items() if "/parts/" in key}
    assert parts == {len(octets) for octets in decoded}
