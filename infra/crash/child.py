"""What happens in a forked child: work whose end, of whatever kind, its parent waits for."""

import faulthandler
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_SECONDS = 120.0
_BUG = 70


def forked(work: Callable[[], None], stdout: Path, stderr: Path) -> int:
    """Does the work in a child of its own, and waits until that has ended.

    Args:
        work: what to do; it may end by SystemExit.
        stdout: takes what is printed.
        stderr: takes what is printed there.

    Returns:
        the exit code, or the number of a signal as a negative one, as in subprocess.

    Raises:
        TimeoutError: it did not end within 120 s; ``stderr`` has where its threads were.
    """
    # Whatever is buffered here would be printed by the child as well.
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _do(work, stdout, stderr)
    return _wait(child)


def _do(work: Callable[[], None], stdout: Path, stderr: Path) -> None:
    code = _BUG
    try:
        for path, descriptor in ((stdout, 1), (stderr, 2)):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(opened, descriptor)
            os.close(opened)
        faulthandler.enable()
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else _BUG
    except BaseException:  # noqa: BLE001 - the parent reads it in stderr
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Neither the parent's handlers nor its buffers are ours.
        os._exit(code)


def _wait(child: int) -> int:
    descriptor = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([descriptor], [], [], _SECONDS)
        if not ended:
            # The fault handler shows where it hangs.
            os.kill(child, signal.SIGABRT)
            select.select([descriptor], [], [], 5)
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    if not ended:
        raise TimeoutError(f"a run did not end within {_SECONDS:g} s")
    return os.waitstatus_to_exitcode(status)
