import pytest

from archiver.config import (
    GIB,
    MIB,
    AccountSettings,
    PasswordSource,
    ServerUrl,
    Settings,
    StoreSettings,
    account_name,
    parse_server,
    parse_settings,
    parse_size,
)
from archiver.errors import UsageError

MINIMAL = """
[store]
url = "s3://mail"
[accounts.Me]
server = "pop3s://me@example.com"
"""


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("pop3s://me@example.com", ServerUrl("example.com", 995, "me", "tls")),
        ("POP3://me@Example.com:1100", ServerUrl("example.com", 1100, "me", "stls")),
        ("pop3+plain://me@127.0.0.1", ServerUrl("127.0.0.1", 110, "me", "plain")),
        ("pop3s://me@mail.org@pop.org/", ServerUrl("pop.org", 995, "me@mail.org", "tls")),
        ("pop3s://a%3Ab%40c@pop.org", ServerUrl("pop.org", 995, "a:b@c", "tls")),
        ("pop3s://me@[::1]:9950", ServerUrl("::1", 9950, "me", "tls")),
    ],
)
def test_servers(text: str, server: ServerUrl) -> None:
    """A URL names user, host, port and security; the last @ separates user from host."""
    assert parse_server(text) == server


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pop.example.com",
        "imap://me@example.com",
        "pop3s://example.com",
        "pop3s://@example.com",
        "pop3s://me@",
        "pop3s://me@example.com:port",
        "pop3s://me@example.com:70000",
        "pop3s://me@example.com/inbox",
        "pop3s://me@example.com?x",
        "pop3s://a%0D%0Ab@example.com",
    ],
)
def test_what_is_no_server(text: str) -> None:
    """What cannot be read as a server is refused before anything is tried."""
    with pytest.raises(UsageError):
        parse_server(text)


@pytest.mark.parametrize(
    "text",
    [
        "pop3s://me:secret@example.com",
        "pop3://me:secret@example.com:110",
        "imap://me:secret@example.com",
        "me:secret@example.com",
    ],
)
def test_passwords_in_urls(text: str) -> None:
    """A password in a URL is refused and never repeated."""
    with pytest.raises(UsageError) as caught:
        parse_server(text)
    assert "secret" not in caught.value.message + caught.value.hint


def test_account_without_a_file() -> None:
    """An account that no file names is called user@host, in lower case."""
    assert account_name(parse_server("pop3s://Me@Example.com")) == "me@example.com"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (1048576, MIB),
        ("2GiB", 2 * GIB),
        (" 500 k ", 500 << 10),
        ("3MB", 3 * MIB),
        ("7b", 7),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    """Sizes are octets or have a binary unit, however it is spelled."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1.5G", "1 TiB", "ten"])
def test_what_is_no_size(text: str) -> None:
    """Anything else is no size."""
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_smallest_file() -> None:
    """A store and one account with a server are enough; everything else has a default."""
    account = AccountSettings("me", ServerUrl("example.com", 995, "me", "tls"))
    assert parse_settings(MINIMAL, "x") == Settings((account,), StoreSettings("s3://mail"))


def test_every_setting() -> None:
    """Every setting that a file may hold ends in the value of its name."""
    text = """
    state = "/var/lib/archiver"
    spool_limit = "1GiB"
    workers = 2
    connections = 3
    signing_key = "archiver.key"
    trusted_keys = ["ed25519:00", "public.key"]
    [store]
    url = "s3://mail/prefix"
    endpoint = "https://s3.example.com"
    region = "eu"
    profile = "p"
    path_style = true
    ca_file = "ca.pem"
    storage_class = "STANDARD_IA"
    sse = "aws:kms"
    kms_key = "key"
    lock_mode = "GOVERNANCE"
    lock_days = 30
    legal_hold = true
    tags = { b = "2", a = 1 }
    [accounts."me@example.com"]
    server = "pop3://me@example.com"
    password_command = "pass show mail"
    ca_file = "server.pem"
    auth = "plain"
    pipelining = "never"
    timeout = 30
    max_message = "10M"
    reconnects = 0
    tries = 1
    """
    assert parse_settings(text, "x") == Settings(
        accounts=(
            AccountSettings(
                name="me@example.com",
                server=ServerUrl("example.com", 110, "me", "stls"),
                password=PasswordSource(command="pass show mail"),
                ca_file="server.pem",
                auth="plain",
                pipelining="never",
                timeout=30.0,
                max_message=10 * MIB,
                reconnects=0,
                tries=1,
            ),
        ),
        store=StoreSettings(
            url="s3://mail/prefix",
            endpoint="https://s3.example.com",
            region="eu",
            profile="p",
            path_style=True,
            ca_file="ca.pem",
            storage_class="STANDARD_IA",
            sse="aws:kms",
            kms_key="key",
            lock_mode="GOVERNANCE",
            lock_days=30,
            legal_hold=True,
            tags=(("a", "1"), ("b", "2")),
        ),
        state="/var/lib/archiver",
        spool_limit=GIB,
        workers=2,
        connections=3,
        signing_key="archiver.key",
        trusted_keys=("ed25519:00", "public.key"),
    )


def test_all_problems_at_once() -> None:
    """Every problem of a file is named, each on a line of its own."""
    text = """
    spool_limit = "much"
    trusted_keys = "one"
    workers = true
    colour = "red"
    [store]
    region = 5
    [accounts.one]
    server = "pop3s://me:pw@example.com"
    tries = 0
    [accounts.two]
    server = "pop3s://me@example.com"
    timeout = nan
    pipelining = "maybe"
    password_env = "A"
    password_file = "b"
    [accounts.Two]
    server = "pop3s://me@example.com"
    reconnects = -1
    [accounts.three]
    [accounts.""]
    """
    with pytest.raises(UsageError) as caught:
        parse_settings(text, "archiver.toml")
    first, *problems = caught.value.message.splitlines()
    assert first == "archiver.toml cannot be used:"
    for expected in (
        "spool_limit: 'much' is not a size",
        "trusted_keys: 'one' is no list of texts",
        "workers: True is not a whole number",
        "colour is no setting",
        "[store] region: 5 is not a text",
        "[store] needs a url",
        "[accounts.one] server: the server's URL holds a password",
        "[accounts.one] tries: 0 is too few",
        "[accounts.two] timeout: nan is no time to wait",
        "[accounts.two] pipelining is one of auto, always, never",
        "[accounts.two] names more than one source of its password",
        "[accounts.Two] reconnects: -1 is negative",
        "account two is there twice",
        "[accounts.three] needs a server",
        "an account has no name",
    ):
        assert sum(expected in problem for problem in problems) == 1, expected
    assert len(problems) == 15
    assert "pw" not in caught.value.message


@pytest.mark.parametrize("value", ["true", '"30"', "0", "-5.5", "inf", "1e9"])
def test_times(value: str) -> None:
    """A time to wait is a number of seconds that someone may live to see the end of."""
    with pytest.raises(UsageError, match="timeout"):
        parse_settings(f"{MINIMAL}\ntimeout = {value}", "x")


@pytest.mark.parametrize(
    "text",
    [
        "[store",
        "accounts = 5\n[store]\nurl = 's3://mail'",
        "store = 's3://mail'",
        "[store]\nurl = 's3://mail'",
        "[store]\nurl = 's3://mail'\n[accounts]\nme = 5",
        "[[store]]\nurl = 's3://mail'",
    ],
)
def test_what_is_no_settings_file(text: str) -> None:
    """What has another shape than a file of settings is refused with a word on what is wrong."""
    with pytest.raises(UsageError) as caught:
        parse_settings(text, "archiver.toml")
    assert caught.value.message.startswith("archiver.toml ")
