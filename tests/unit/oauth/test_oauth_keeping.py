import stat
from pathlib import Path

import pytest

from archiver.errors import LocalDiskError, LoginRefused
from archiver.oauth import forget
from archiver.oauth.keeping import Keeper, Token
from archiver.oauth.providers import Provider
from tests.unit.oauth.oauth_helpers import Memory, Person

PROVIDER = Provider("id", "https://id.example.com/token", None, None, "mail")
TOKEN = Token("access", "refresh", 17.0)
OTHER = Token("access-2", "refresh-2", None)


@pytest.fixture
def ring() -> Memory:
    """A keyring that works."""
    return Memory()


def keeper(state: Path, ring: Memory, account: str = "work") -> Keeper:
    """A keeper of an account's tokens."""
    made = Keeper(account, PROVIDER, state, ring)
    with made.locked():
        pass
    return made


def test_keyring(tmp_path: Path, ring: Memory) -> None:
    """Where there is a keyring the tokens are there, and nowhere else."""
    assert keeper(tmp_path, ring).keep(TOKEN) == "the keyring"
    assert keeper(tmp_path, ring).read() == TOKEN
    texts = [path.read_text() for path in (tmp_path / "tokens").iterdir()]
    assert not any(secret in text for text in texts for secret in ("access", "refresh"))


def test_file(tmp_path: Path) -> None:
    """Without a keyring they are in a file that only its owner may read."""
    place = Path(keeper(tmp_path, Memory(works=False)).keep(TOKEN))
    assert place == tmp_path / "tokens" / "work.json"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert keeper(tmp_path, Memory(works=False)).read() == TOKEN


def test_file_name(tmp_path: Path) -> None:
    """An account's name is one file's name, whatever is in it."""
    ring = Memory(works=False)
    place = Path(keeper(tmp_path, ring, "../a b/c@d").keep(TOKEN))
    assert place.parent == tmp_path / "tokens"
    assert place.name == "..%2Fa%20b%2Fc@d.json"


def test_lost_keyring(tmp_path: Path, ring: Memory) -> None:
    """A token in a keyring that cannot be reached is said to be there."""
    keeper(tmp_path, ring).keep(TOKEN)
    ring.works = False
    with pytest.raises(LoginRefused, match="the token is in the keyring"):
        keeper(tmp_path, ring).read()


def test_refresh_stays_in_the_file(tmp_path: Path, ring: Memory) -> None:
    """Refreshed tokens stay in the file, also where there is a keyring."""
    keeper(tmp_path, Memory(works=False)).keep(TOKEN)
    keeper(tmp_path, ring).replace(OTHER)
    assert not ring.kept
    assert keeper(tmp_path, Memory(works=False)).read() == OTHER


def test_refresh_stays_in_the_keyring(tmp_path: Path, ring: Memory) -> None:
    """Refreshed tokens stay in the keyring, under the same name."""
    keeper(tmp_path, ring).keep(TOKEN)
    keeper(tmp_path, ring).replace(OTHER)
    assert len(ring.kept) == 1
    assert keeper(tmp_path, ring).read() == OTHER


def test_keyring_that_takes_no_more(tmp_path: Path, ring: Memory) -> None:
    """A refreshed token that the keyring does not take is not lost: it goes into the file."""
    keeper(tmp_path, ring).keep(TOKEN)
    ring.works = False
    keeper(tmp_path, ring).replace(OTHER)
    assert keeper(tmp_path, ring).read() == OTHER


def test_accounts_called_alike(tmp_path: Path, ring: Memory) -> None:
    """Accounts of two state directories may be called alike and share a keyring."""
    keeper(tmp_path / "a", ring).keep(TOKEN)
    keeper(tmp_path / "b", ring).keep(OTHER)
    assert keeper(tmp_path / "a", ring).read() == TOKEN


@pytest.mark.parametrize("works", [True, False], ids=["keyring", "file"])
def test_remove(tmp_path: Path, works: bool) -> None:
    """What is removed is gone from where it was."""
    ring = Memory(works=works)
    keeper(tmp_path, ring).keep(TOKEN)
    assert keeper(tmp_path, ring).remove()
    assert not keeper(tmp_path, ring).remove()
    assert not ring.kept
    with pytest.raises(LoginRefused, match="nobody has signed in"):
        keeper(tmp_path, ring).read()


@pytest.mark.parametrize("octets", [b"", b"{", b"[]", b"\xff", b"{}", b'{"keyring": true}'])
def test_damaged_file(tmp_path: Path, octets: bytes) -> None:
    """A damaged file means a new sign-in, and nothing of it is shown."""
    made = keeper(tmp_path, Memory(works=False))
    Path(made.keep(TOKEN)).write_bytes(octets)
    with pytest.raises(LoginRefused) as caught:
        made.read()
    assert caught.value.hint == "run: archiver login work"


@pytest.mark.parametrize("damage", [("17.0", '"soon"'), ('"refresh"', "7"), ('"access"', "null")])
def test_damaged_value(tmp_path: Path, damage: tuple[str, str]) -> None:
    """A value of the wrong kind means a new sign-in as well."""
    made = keeper(tmp_path, Memory(works=False))
    place = Path(made.keep(TOKEN))
    place.write_text(place.read_text().replace(*damage))
    with pytest.raises(LoginRefused, match="cannot be read"):
        made.read()


def test_damaged_keyring(tmp_path: Path, ring: Memory) -> None:
    """A damaged entry of the keyring means a new sign-in."""
    keeper(tmp_path, ring).keep(TOKEN)
    ring.kept = dict.fromkeys(ring.kept, "?")
    with pytest.raises(LoginRefused, match="cannot be read"):
        keeper(tmp_path, ring).read()


def test_new_state_directory(tmp_path: Path, ring: Memory) -> None:
    """A state directory that is made for the tokens is for its owner's eyes alone, as any."""
    keeper(tmp_path / "new", ring).keep(TOKEN)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_no_directory(tmp_path: Path, ring: Memory) -> None:
    """A state directory that cannot be written is said by its name."""
    (tmp_path / "tokens").write_text("")
    with pytest.raises(LocalDiskError, match="tokens"):
        keeper(tmp_path, ring)


def test_leftover_of_a_crash(tmp_path: Path) -> None:
    """What a killed process left behind stands in nobody's way."""
    made = keeper(tmp_path, Memory(works=False))
    (tmp_path / "tokens" / "work.new").write_text("half")
    made.keep(TOKEN)
    assert made.read() == TOKEN


def test_representation() -> None:
    """A token does not show itself."""
    assert "access" not in repr(TOKEN).replace("access_token", "")
    assert "refresh" not in repr(TOKEN).replace("refresh_token", "")


def test_forget(person: Person) -> None:
    """Forgetting removes the tokens of an account, and says whether there were any."""
    person.login()
    assert forget(person.account, person.state, person.ring)
    assert not person.file.exists()
    assert not forget(person.account, person.state, person.ring)
