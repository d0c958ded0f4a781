"""All that anybody could see of a command: what it prints and writes, and what the system shows."""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from command import Archiver

STATE = "state"
KEPT = "kept"
_APART = {(KEPT,), (STATE, "tokens")}


class Onlooker:
    """Runs commands, and keeps in ``seen`` what they print and what the system shows of them.

    Secrets belong in the directory ``KEPT`` of the archiver's home, and in the tokens' own.

    Args:
        archiver: runs them; nothing else writes in its home.
    """

    def __init__(self, archiver: Archiver) -> None:
        """Nothing was seen yet."""
        self.archiver = archiver
        self.seen: set[bytes] = set()

    def __call__(self, *commands: Sequence[str], code: int) -> str:
        """Runs commands side by side to their ends, which must be with this exit code.

        Returns:
            What they said to people.
        """
        started = [self.archiver.start(*command, "--state", STATE) for command in commands]
        with _watching([process.pid for process in started], self.seen):
            ended = [process.communicate(timeout=120) for process in started]
        self.seen |= {text.encode() for texts in ended for text in texts}
        said = "".join(stderr for _, stderr in ended)
        assert [process.returncode for process in started] == [code] * len(commands), said
        return said

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """Every file below the home, by its path there, but those where secrets belong."""
        for path in self.archiver.home.rglob("*"):
            inside = path.relative_to(self.archiver.home)
            if path.is_file() and not _APART & {inside.parts[:1], inside.parts[:2]}:
                yield inside, path.read_bytes()

    def require_none_of(self, secrets: Collection[bytes]) -> None:
        """Looks for each of these in all that was seen and written."""
        for octets in self.seen:
            assert not [secret for secret in secrets if secret in octets], octets
        for path, octets in self.written():
            assert not [secret for secret in secrets if secret in octets], path


@contextmanager
def _watching(pids: Iterable[int], seen: set[bytes]) -> Iterator[None]:
    """Gathers command lines and environments of processes and of those that they start."""
    processes, over = [psutil.Process(pid) for pid in pids], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for one in processes:
                with suppress(psutil.NoSuchProcess, OSError):
                    for each in (one, *one.children(recursive=True)):
                        place = Path("/proc", str(each.pid))
                        seen.update((place / name).read_bytes() for name in ("cmdline", "environ"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
