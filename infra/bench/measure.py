"""One command, run to its end: time, CPU and memory of its whole tree of processes.

CPU is what the kernel counted for the command and every child it waited for. Memory is looked at
every 50 ms: the greatest sum of resident sets over the tree, in which shared pages count once for
each process, and the greatest high-water mark of any single process. The kernel's own maximum
(``ru_maxrss``) will not do: a new program inherits it from the process that started it.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread

import psutil

_SAMPLE_SECONDS = 0.05
_TAIL = 3000


class CommandFailed(Exception):
    """A measured command did not exit with 0, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost; memory in octets. ``output`` is what it wrote on stdout."""

    seconds: float
    cpu_seconds: float
    memory_sum: int
    memory_max: int
    output: str


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Runs a command with ``environment`` added to ours.

    Raises:
        CommandFailed: it did not exit with 0.
    """
    with TemporaryFile() as output, TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        memory = _Memory(process.pid)
        # Not process.wait(): only wait4 tells what this one child and its own cost.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        memory.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            said = (errors.read() + output.read())[-_TAIL:].decode(errors="replace")
            raise CommandFailed(f"{' '.join(command)} exited with {process.returncode}:\n{said}")
        said = output.read().decode(errors="replace")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(seconds, cpu, memory.greatest_sum, memory.greatest, said)


class _Memory:
    """Samples a tree of processes from a thread until told to stop."""

    def __init__(self, pid: int) -> None:
        self.greatest_sum = 0
        self.greatest = 0
        self._pid = pid
        self._stopped = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            sizes = [_resident(pid) for pid in _tree(self._pid)]
            self.greatest_sum = max(self.greatest_sum, sum(now for now, _ in sizes))
            self.greatest = max(self.greatest, *(most for _, most in sizes), 0)
            self._stopped.wait(_SAMPLE_SECONDS)


def _tree(pid: int) -> list[int]:
    try:
        root = psutil.Process(pid)
        return [pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.Error:
        return []


def _resident(pid: int) -> tuple[int, int]:
    """Octets resident now and at most so far; none for a process that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    lines = dict(line.split(":", 1) for line in status.splitlines())
    now, most = (lines.get(name, "0 kB").split()[0] for name in ("VmRSS", "VmHWM"))
    return int(now) << 10, int(most) << 10
