"""How options and a file of settings become the settings of a verb."""

from pathlib import Path
from typing import Any

import pytest

from archiver.cli import options
from archiver.errors import UsageError

TOML = """
state = "kept"
[store]
url = "mail"
[accounts.one]
server = "pop3s://one@example.com"
ca_file = "certs/ca.pem"
[accounts.two]
server = "pop3s://two@example.com"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of settings with two accounts."""
    path = tmp_path / "archiver.toml"
    path.write_text(TOML)
    return path


def given(**values: Any) -> dict[str, Any]:
    """What typer hands over: every option of the groups, None where not given."""
    groups = (options.MAILBOX, options.STORE, options.PLACE)
    return {name: None for group in groups for name in group} | values


def test_paths_are_relative_to_the_file(file: Path) -> None:
    """Store, state and files of certificates are looked for beside the file that names them."""
    found = options.settings((), given(config=file))
    assert found.state == str(file.parent / "kept")
    assert found.store.url == str(file.parent / "mail")
    assert found.accounts[0].ca_file == str(file.parent / "certs/ca.pem")
    assert found.accounts[1].ca_file is None


def test_accounts_by_name(file: Path) -> None:
    """The accounts that a person names are taken, in any case of letters; all of them for none."""
    both = options.settings((), given(config=file)).accounts
    assert [account.name for account in both] == ["one", "two"]
    assert options.settings(("TWO",), given(config=file)).accounts == both[1:]
    assert options.one_account("one", given(config=file))[0] == both[0]


def test_one_account_must_be_chosen(file: Path) -> None:
    """A verb for one account says which there are, where several could be meant."""
    with pytest.raises(UsageError, match="which account") as caught:
        options.one_account(None, given(config=file))
    assert caught.value.hint == "name one of one, two"


def test_options_of_a_mailbox_go_with_a_server(file: Path) -> None:
    """An option that a file would silently win over is refused."""
    with pytest.raises(UsageError, match="--tls-min goes with --server"):
        options.settings((), given(config=file, tls_min="1.3"))


def test_a_mailbox_by_options_alone(tmp_path: Path) -> None:
    """Without a file the options say everything about one mailbox."""
    account, state = options.one_account(
        None,
        given(
            server="pop3s://me@example.com",
            auth="login",
            login_delay="30",
            client_cert=Path("me.pem"),
            cleartext_password=True,
            state=tmp_path,
        ),
    )
    assert (account.name, account.auth, account.login_delay) == ("me@example.com", "login", 30.0)
    assert (account.client_cert, account.cleartext_password) == ("me.pem", True)
    assert state == tmp_path


def test_a_run_needs_a_store() -> None:
    """With a server alone it is said that the store is missing."""
    with pytest.raises(UsageError, match="--server needs --store"):
        options.settings((), given(server="pop3s://me@example.com"))
