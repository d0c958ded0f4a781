"""Debian packages are unpacked once, whole or not at all, and nothing of theirs is run."""

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra import packages
from infra.process import ServerMissing


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a root who asks."""
    monkeypatch.setattr(packages, "_CACHE", tmp_path / "cache")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path / "cache"


@pytest.fixture
def made(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The roots that were made in place of real ones."""
    roots: list[Path] = []

    def make(names: Sequence[str], root: Path) -> None:
        roots.append(root)
        (root / "etc").mkdir(parents=True)

    monkeypatch.setattr(packages, "_make", make)
    return roots


def package(directory: Path) -> Path:
    """A package with a program, a manual, and a script that must not run."""
    tree = directory / "tree"
    for name in ("DEBIAN/postinst", "bin/program", "usr/share/doc/manual"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"#!/bin/sh\ntouch {directory}/ran\n")
        (tree / name).chmod(0o755)
    control = "Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: me\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    archive = directory / "sample.deb"
    subprocess.run(["dpkg-deb", "--build", tree, archive], check=True, capture_output=True)
    return archive


def test_packages_are_unpacked_into_a_merged_system(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a package has below /bin lies below /usr/bin too; no script runs, no manual is kept."""
    try:
        archive = package(tmp_path)
    except FileNotFoundError:
        pytest.skip("dpkg-deb is not installed: this is no Debian")
    monkeypatch.setattr(packages, "_download", lambda names: [archive])
    root = packages.unpacked("sample", ("sample",))
    assert (root / "usr/bin/program").samefile(root / "bin/program")
    assert (root / "bin").is_symlink()
    assert not (root / "usr/share/doc").exists()
    assert not (tmp_path / "ran").exists()
    assert {path for path in cache.iterdir() if path.is_dir()} == {root}


def test_a_package_that_cannot_be_had_is_a_missing_server(cache: Path) -> None:
    """The server is named, and nothing half-made stays behind."""
    with pytest.raises(ServerMissing, match=r"^sample: "):
        packages.unpacked("sample", ("no-such-package-anywhere",))
    assert not list(cache.glob("sample-*"))
    assert not list(cache.glob("unfinished-*"))


def test_only_root_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody else could not keep the owners of files, nor start a server in the root."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ServerMissing, match="only root"):
        packages.unpacked("sample", ("sample",))


def test_a_root_is_made_once(made: list[Path]) -> None:
    """Whoever asks while it is made waits for it, and whoever asks later gets the same."""
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(packages.unpacked("sample", ("sample",))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 8


def test_another_recipe_makes_another_root(made: list[Path]) -> None:
    """A changed list of packages is unpacked anew, and what the old one made is removed."""
    old = packages.unpacked("sample", ("sample",))
    other = packages.unpacked("other", ("sample",))
    new = packages.unpacked("sample", ("sample", "more"))
    assert made == [old, other, new]
    assert not old.exists()
    assert other.exists()


def test_what_is_missing_is_named(made: list[Path]) -> None:
    """Servers that are unpacked already are not among the missing ones."""
    first, *others = packages.PACKAGES
    packages.unpacked(first, packages.PACKAGES[first])
    assert packages.missing() == others
    assert len(made) == 1
