"""A root of its own for one instance of a server: a copy of what ``infra.packages`` unpacked.

The copy shares its files with the original by hard links, so nothing that a package brought may be
written to; users, mail and settings are new files. Permissions of the directories above do not
matter to what runs inside, since there its root is all there is.
"""

import itertools
import os
import shutil
import stat
import subprocess
from pathlib import Path

from infra import packages
from infra.process import ServerMissing

_FIRST_UID = 20_000
_HOMES = "home"
_FOLDERS = {
    **dict.fromkeys(("dev", "etc", "etc/pam.d", _HOMES, "run", "var", "var/spool"), 0o755),
    **dict.fromkeys(("tmp", "var/mail", "var/tmp"), 0o1777),
}
_DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
_PAM = """\
auth required pam_unix.so nodelay
account required pam_unix.so
"""
# PAM's own hash in its cheapest form; perl-base is on every Debian, and crypt is leaving Python.
_HASH = "chomp($p = <STDIN>); print crypt($p, q($5$rounds=1000$archiver$))"


class Chroot:
    """An instance's root as an object; made at once, removed by ``remove``.

    Args:
        server: its name in ``packages.PACKAGES``.
        path: where the root is to lie; nothing is there yet.

    Raises:
        ServerMissing: the server cannot be had on this machine.
    """

    def __init__(self, server: str, path: Path) -> None:
        """Copies the server's root and adds what programs expect of any system."""
        self.path = path
        source = packages.unpacked(server, packages.PACKAGES[server])
        _copy(source, path)
        # What the packages bring refers to files that an installation would have written.
        shutil.rmtree(path / "etc/pam.d", ignore_errors=True)
        self._uids = itertools.count(_FIRST_UID)
        for name, mode in _FOLDERS.items():
            (path / name).mkdir(exist_ok=True)
            (path / name).chmod(mode)
        try:
            for name, (major, minor) in _DEVICES.items():
                os.mknod(path / "dev" / name, stat.S_IFCHR, os.makedev(major, minor))
                (path / "dev" / name).chmod(0o666)
        except PermissionError:
            raise ServerMissing(server, "devices cannot be made here (CAP_MKNOD)") from None
        self._append("etc/group", "root:x:0:\nmail:x:8:\nnogroup:x:65534:\n")
        self._append("etc/passwd", "root:x:0:0::/:/bin/false\n")
        self._append("etc/shadow", "root:*:::::::\n", mode=0o600)
        self._append("etc/pam.d/other", _PAM)
        self._append("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n")

    def command(self, *command: str, user: int | None = None) -> list[str]:
        """The arguments that run a command inside, as root or as the user of that id."""
        who = [] if user is None else [f"--userspec={user}:{user}"]
        return ["chroot", *who, str(self.path), *command]

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Writes a file inside, in place of one that the packages brought."""
        file = self.path / name
        file.unlink(missing_ok=True)
        file.touch(0o600)
        file.write_text(text)
        file.chmod(mode)

    def add_account(self, user: str, password: str | None = None) -> int:
        """A user inside with an empty home below /home, whom PAM lets in; gives the user's id."""
        uid = next(self._uids)
        hashed = "*" if password is None else _hash(password)
        self._append("etc/passwd", f"{user}:x:{uid}:{uid}::/{_HOMES}/{user}:/bin/false\n")
        self._append("etc/group", f"{user}:x:{uid}:\n")
        self._append("etc/shadow", f"{user}:{hashed}:::::::\n")
        home = self.path / _HOMES / user
        home.mkdir()
        os.chown(home, uid, uid)
        return uid

    def remove(self) -> None:
        """Removes the root with all mail in it."""
        shutil.rmtree(self.path)

    def _append(self, name: str, text: str, mode: int = 0o644) -> None:
        """Adds to a file that no package brought."""
        with (self.path / name).open("a") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)


def _copy(source: Path, target: Path) -> None:
    """Copies by hard links, or octets where another file system does not let us."""
    command = ["cp", "--archive", "--link", str(source), str(target)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "--archive", str(source), str(target)], check=True)


def _hash(password: str) -> str:
    done = subprocess.run(
        ["perl", "-e", _HASH], input=f"{password}\n", capture_output=True, text=True, check=True
    )
    return done.stdout
