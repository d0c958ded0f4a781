"""Debian packages unpacked into roots of their own: servers that cannot be installed side by side.

Each root holds a server and everything it needs down to the C library, as apt resolves it for a
system on which nothing is installed; to be run by ``chroot`` in a copy (``infra.chroot``). Nothing
is installed, no maintainer script runs, no service starts. Roots are made once, by
``python3 -m infra.packages``, and lie in ``.servers/`` of the checkout; remove that to have newer
packages. This module imports the standard library alone, since it runs before there is a venv.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.process import ServerMissing

PACKAGES: Mapping[str, Sequence[str]] = {
    "courier": ("courier-pop",),
    "cyrus": ("cyrus-pop3d", "sasl2-bin"),
    # PAM's modules are no dependency of a program that uses PAM.
    "popa3d": ("popa3d", "libpam-modules"),
    "solid-pop3d": ("solid-pop3d", "libpam-modules"),
    "mailutils": ("mailutils-pop3d", "libpam-modules"),
    "proxies": ("microsocks", "dante-server", "tinyproxy-bin"),
}
"""What each server is made of; ``infra/install`` unpacks them all."""

_CACHE = Path(__file__).resolve().parent.parent / ".servers"
# To be raised when what is made of the packages changes.
_RECIPE = 1
# On a merged system these are links, and some packages bring files below both names.
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_UNREAD = ("doc", "info", "lintian", "locale", "man")


def unpacked(server: str, packages: Sequence[str]) -> Path:
    """The root below which these Debian packages lie unpacked, with all that they depend on.

    It is shared and not to be written to. Where it is not there yet it is downloaded and made,
    which takes some seconds; whoever asks for it in the meantime waits.

    Raises:
        ServerMissing: we are not root, or apt cannot download the packages.
    """
    if os.geteuid() != 0:
        raise ServerMissing(server, "only root can unpack and start it")
    root = _root(server, packages)
    if root.is_dir():
        return root
    try:
        with _alone():
            if not root.is_dir():
                _make(packages, root)
                _forget_older(server, root)
    except subprocess.CalledProcessError as failure:
        said = (failure.stderr or "").strip().splitlines() or ["no word of why"]
        raise ServerMissing(server, f"{failure.cmd[0]}: {said[-1]}; try infra/install") from None
    except OSError as failure:
        raise ServerMissing(server, f"it cannot be unpacked: {failure}") from None
    return root


def missing() -> list[str]:
    """The servers that are not unpacked yet."""
    return [name for name, packages in PACKAGES.items() if not _root(name, packages).is_dir()]


def _root(server: str, packages: Sequence[str]) -> Path:
    recipe = repr((_RECIPE, sorted(packages)))
    return _CACHE / f"{server}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


@contextmanager
def _alone() -> Iterator[None]:
    # Programs below it are setuid root, as their packages have them.
    _CACHE.mkdir(mode=0o700, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(packages: Sequence[str], root: Path) -> None:
    """Unpacks beside ``root`` and renames, so that a root is whole or not there."""
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=_CACHE))
    try:
        unfinished.chmod(0o755)
        for name in _MERGED:
            (unfinished / "usr" / name).mkdir(parents=True)
            (unfinished / name).symlink_to(f"usr/{name}")
        for archive in _download(packages):
            _unpack(archive, unfinished)
        unfinished.rename(root)
    except BaseException:
        shutil.rmtree(unfinished)
        raise


def _forget_older(server: str, root: Path) -> None:
    """Removes what another recipe made; instances have hard links of their own."""
    for other in _CACHE.glob(f"{server}-*"):
        if other != root:
            shutil.rmtree(other)


def _download(packages: Sequence[str]) -> list[Path]:
    """The archives of these packages and of all that they depend on, on the local disk."""
    archives = _CACHE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    (_CACHE / "nothing-installed").touch()
    apt = (
        *("apt-get", "-qq", "--yes", "--no-install-recommends"),
        *("-o", f"Dir::State::status={_CACHE / 'nothing-installed'}"),
        *("-o", f"Dir::Cache::archives={archives}"),
        # The user that apt downloads as may not be let into the checkout.
        *("-o", "APT::Sandbox::User=root"),
    )
    # Asked first, since apt does not name what it has already downloaded.
    (_CACHE / "no-archives" / "partial").mkdir(parents=True, exist_ok=True)
    elsewhere = ("-o", f"Dir::Cache::archives={_CACHE / 'no-archives'}")
    listed = _run(*apt, *elsewhere, "--print-uris", "install", *packages)
    _run(*apt, "--download-only", "install", *packages)
    # A line is: 'address' name size digest
    return [archives / line.split()[1] for line in listed.splitlines()]


def _unpack(archive: Path, root: Path) -> None:
    unread = [f"--exclude=./usr/share/{name}" for name in _UNREAD]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE
    ) as source:
        subprocess.run(
            ["tar", "--extract", "--keep-directory-symlink", f"--directory={root}", *unread],
            stdin=source.stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    if source.returncode != 0:
        raise OSError(f"{archive.name} is damaged")


def _run(*command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def _main(arguments: Sequence[str]) -> int:
    """Unpacks every server, or with ``--missing`` says which ones are not."""
    if "--missing" in arguments:
        sys.stdout.write(" ".join(missing()))
        return 0
    for server, packages in PACKAGES.items():
        try:
            unpacked(server, packages)
        except ServerMissing as failure:
            # The tests that need it say so again.
            sys.stderr.write(f"infra/install: {failure}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
