import os
from pathlib import Path

import pytest

from archiver.errors import MessageError, UsageError
from archiver.sources import Letter, Source, Trouble
from archiver.sources.maildir import flags, folder_name

FROM = b"From jane@example.com Fri Dec 13 20:11:21 2002\n"


def letters(source: Source) -> list[Letter]:
    """What was found, which must be messages alone."""
    met = list(source.letters())
    assert all(isinstance(each, Letter) for each in met), met
    return [each for each in met if isinstance(each, Letter)]


def found(source: Source) -> dict[bytes, Letter]:
    """The messages by their octets, each read before the next one is looked for."""
    met = {}
    for each in source.letters():
        assert isinstance(each, Letter), each
        met[b"".join(each.pieces())] = each
    return met


def put(path: Path, octets: bytes) -> Path:
    """Makes a file, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return path


def test_maildir_with_its_folders(tmp_path: Path) -> None:
    """Messages of all folders come with the folder and the flags; what is in tmp does not."""
    put(tmp_path / "new/1.host", b"A: 1\n")
    put(tmp_path / "cur/2.host:2,FS", b"A: 2\n")
    put(tmp_path / "tmp/3.host", b"A: 3\n")
    put(tmp_path / ".Old.2020/cur/4.host:2,", b"A: 4\n")
    put(tmp_path / "plain/inner/cur/5.host:2,R", b"A: 5\n")
    put(tmp_path / "cur/.hidden", b"A: 6\n")
    put(tmp_path / "dovecot-uidlist", b"3 V1\n")
    met = found(Source(tmp_path))
    assert {octets: each.origin.labels for octets, each in met.items()} == {
        b"A: 1\r\n": ("INBOX",),
        b"A: 2\r\n": ("INBOX",),
        b"A: 4\r\n": ("Old/2020",),
        b"A: 5\r\n": ("plain/inner",),
    }
    assert met[b"A: 2\r\n"].origin.flags == ("\\Flagged", "\\Seen")
    assert {each.origin.protocol for each in met.values()} == {"maildir"}


def test_names_of_flags_and_folders() -> None:
    """Flags are written as IMAP does, unknown letters are none; folders from the inbox down."""
    assert flags("1.host:2,DFPRSTab") == (
        "\\Draft",
        "\\Flagged",
        "$Forwarded",
        "\\Answered",
        "\\Seen",
        "\\Deleted",
    )
    assert flags("1.host") == flags("1.host:1,S") == ()
    assert folder_name((".a.b", "c")) == "a/b/c"


def test_message_that_is_renamed(tmp_path: Path) -> None:
    """One that another program moves or marks meanwhile is found; one that it removes is not."""
    moved, gone = put(tmp_path / "new/1.host", b"A: 1\n"), put(tmp_path / "new/2.host", b"A: 2\n")
    (tmp_path / "cur").mkdir()
    by_name = {Path(each.name).name: each for each in letters(Source(tmp_path))}
    moved.rename(tmp_path / "cur/1.host:2,S")
    gone.unlink()
    assert b"".join(by_name["1.host"].pieces()) == b"A: 1\r\n"
    with pytest.raises(FileNotFoundError):
        b"".join(by_name["2.host"].pieces())


def test_message_that_changes(tmp_path: Path) -> None:
    """A file that is written to while it is read is no message yet."""
    path = put(tmp_path / "a.eml", b"A: 1\n")
    (letter,) = letters(Source(path))
    pieces = letter.pieces()
    assert next(pieces) == b"A: 1\r\n"
    path.write_bytes(b"A: 1\nand more\n")
    with pytest.raises(MessageError):
        list(pieces)


def test_tree_of_files(tmp_path: Path) -> None:
    """Messages and mbox files are told by what they are, and the rest is left out, and counted."""
    put(tmp_path / "2020/a.eml", b"A: 1\n")
    put(tmp_path / "2020/b.EML", b"A: 2\r\nB: c\n")
    put(tmp_path / "Mail/Inbox", FROM + b"A: 3\n\nx\n\n")
    put(tmp_path / "Mail/Inbox.msf", b"// a Thunderbird index")
    put(tmp_path / "c.eml", b"no header and no line end")
    met = found(source := Source(tmp_path))
    assert {octets: each.origin.labels for octets, each in met.items()} == {
        b"A: 1\r\n": ("2020",),
        b"A: 2\r\nB: c\n": ("2020",),
        b"A: 3\r\n\r\nx\r\n": ("Mail/Inbox",),
        b"no header and no line end": (),
    }
    assert source.left_out == {"files that are no mail": 1}


def test_last_line_without_an_end(tmp_path: Path) -> None:
    """A message whose lines end in LF gets the line end that POP3 would add to its last."""
    assert list(found(Source(put(tmp_path / "a.eml", b"A: 1\n\nx")))) == [b"A: 1\r\n\r\nx\r\n"]


def test_symbolic_links(tmp_path: Path) -> None:
    """Links in a tree are left out, whatever they lead to; a path that is one itself is meant."""
    secret = put(tmp_path / "elsewhere/secret.eml", b"A: secret\n")
    tree = tmp_path / "tree"
    put(tree / "a.eml", b"A: 1\n")
    (tree / "link.eml").symlink_to(secret)
    (tree / "folder").symlink_to(secret.parent)
    (tree / "loop").symlink_to(tree)
    put(tree / "md/cur/1.host", b"A: 2\n")
    (tree / "md/cur/2.host").symlink_to(secret)
    (tmp_path / "named").symlink_to(tree)
    met = found(source := Source(tmp_path / "named"))
    assert set(met) == {b"A: 1\r\n", b"A: 2\r\n"}
    assert source.left_out["symbolic links"] >= 1


def test_file_that_becomes_a_link(tmp_path: Path) -> None:
    """What is replaced by a link or a pipe before it is read is refused, and nobody waits."""
    secret = put(tmp_path / "secret", b"A: secret\n")
    link, pipe = put(tmp_path / "t/a.eml", b"x"), put(tmp_path / "t/b.eml", b"y")
    met = {Path(each.name).name: each for each in letters(Source(tmp_path / "t"))}
    link.unlink()
    link.symlink_to(secret)
    pipe.unlink()
    os.mkfifo(pipe)
    for name in ("a.eml", "b.eml"):
        with pytest.raises(OSError, match=r"symbolic|regular"):
            b"".join(met[name].pieces())


def test_depth_and_strange_names(tmp_path: Path) -> None:
    """A deep tree is walked, and names that are no UTF-8 become labels that are."""
    deep = tmp_path.joinpath(*["d"] * 200)
    put(deep / "a.eml", b"A: 1\n")
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n\x1b[2J"))
    put(strange / "b.eml", b"A: 2\n")
    met = found(Source(tmp_path))
    assert met[b"A: 1\r\n"].origin.labels == ("/".join(["d"] * 200),)
    assert met[b"A: 2\r\n"].origin.labels == ("�\n\x1b[2J",)


@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08", b"PK\x03\x04"])
def test_compressed_files(tmp_path: Path, magic: bytes) -> None:
    """A file that is compressed is refused with what to do."""
    with pytest.raises(UsageError, match="compressed") as caught:
        Source(put(tmp_path / "a", magic))
    assert "unpack it first" in caught.value.hint


def test_path_that_is_not_there(tmp_path: Path) -> None:
    """A path that does not exist, or is no file, is refused."""
    with pytest.raises(UsageError, match="cannot be read"):
        Source(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="regular"):
        Source(tmp_path / "pipe")


def test_directory_that_goes(tmp_path: Path) -> None:
    """A directory that is gone when its turn comes is told."""
    put(tmp_path / "a/x.eml", b"A: 1\n")
    put(tmp_path / "b/y.eml", b"A: 2\n")
    met = Source(tmp_path).letters()
    assert isinstance(next(met), Letter)
    (tmp_path / "b/y.eml").unlink()
    (tmp_path / "b").rmdir()
    assert [type(each) for each in met] == [Trouble]
