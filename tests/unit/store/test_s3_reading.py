"""Reading objects whole or not at all: from a real Ceph, unless a test says otherwise."""

import io
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError
from botocore.stub import Stubber
from broken_way import BrokenWay
from s3_helpers import TYPE, opened, port_of

from archiver.errors import StoreError
from archiver.store import payload_of, s3_client, s3_reading
from infra.fixtures import Bucket


def test_broken_read_goes_on(ceph_aws: Bucket) -> None:
    """A transfer that breaks off goes on with the next octet, and gives each octet once."""
    octets = b"".join(number.to_bytes(4, "big") for number in range(1_000_000))
    with (
        BrokenWay(
            port_of(ceph_aws), lambda octets: octets.startswith(b"GET "), after=1_500_000, cuts=3
        ) as way,
        opened(f"s3://{ceph_aws.name}", endpoint=way.url) as store,
    ):
        store.put("a", payload_of(octets), content_type=TYPE)
        assert b"".join(store.read("a", offset=1)) == octets[1:]
        assert way.cuts == 0


def test_read_that_breaks_for_ever(aws: pytest.MonkeyPatch) -> None:
    """A transfer that never gets anywhere (made up here) is given up."""
    aws.setattr(s3_reading, "ATTEMPTS", 2)
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        for _ in range(2):
            whole = {"ResponseMetadata": {"HTTPStatusCode": 200}, "ContentLength": 1}
            stub.add_response("get_object", {**whole, "Body": _BrokenBody()})
        with pytest.raises(StoreError, match="cannot be reached"):
            list(store.read("a"))
        stub.assert_no_pending_responses()


def test_read_that_is_cut_short(ceph_aws: Bucket, aws: pytest.MonkeyPatch) -> None:
    """An object of which the end never comes is an error, not a shorter object."""
    aws.setattr(s3_client, "ATTEMPTS", 1)
    with (
        BrokenWay(
            port_of(ceph_aws), lambda octets: octets.startswith(b"GET "), after=400_000, cuts=9
        ) as way,
        opened(f"s3://{ceph_aws.name}", endpoint=way.url) as store,
    ):
        store.put("a", payload_of(bytes(500_000)), content_type=TYPE)
        chunks = store.read("a")
        assert 0 < len(next(chunks)) < 500_000
        way.after = 0
        with pytest.raises(StoreError, match="cannot be reached"):
            next(chunks)


@pytest.mark.parametrize(
    ("answer", "offset"),
    [
        ({}, 0),
        ({"ContentRange": "bytes 2-3/9", "ContentLength": 2}, 2),
        ({"ContentRange": "bytes 0-8/9", "ContentLength": 9}, 2),
    ],
)
def test_answers_whose_end_is_no_end(
    aws: pytest.MonkeyPatch, answer: dict[str, Any], offset: int
) -> None:
    """An answer without a length, or of less than was asked for (made up here), is an error."""
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        metadata: dict[str, Any] = {"HTTPStatusCode": 206 if offset else 200, "HTTPHeaders": {}}
        given = {"Body": io.BytesIO(b"xx"), "ResponseMetadata": metadata, **answer}
        stub.add_response("get_object", given)
        with pytest.raises(StoreError, match="only in part"):
            list(store.read("a", offset=offset))


@pytest.mark.parametrize(
    ("length", "headers", "range_"),
    [
        (None, {"transfer-encoding": "chunked"}, None),
        (5, {}, "bytes 2-6/7"),
        (5, {}, "bytes 2-6/90"),
        (5, {}, None),
    ],
)
def test_answers_whose_end_is_known(
    aws: pytest.MonkeyPatch, length: int | None, headers: dict[str, str], range_: str | None
) -> None:
    """The end is known by a length or by HTTP's chunks (made up here)."""
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        metadata: dict[str, Any] = {"HTTPStatusCode": 206, "HTTPHeaders": headers}
        given: dict[str, Any] = {"Body": io.BytesIO(b"12345"), "ResponseMetadata": metadata}
        given |= {} if length is None else {"ContentLength": length}
        given |= {} if range_ is None else {"ContentRange": range_}
        stub.add_response("get_object", given)
        assert b"".join(store.read("a", offset=2, length=5)) == b"12345"


def test_object_that_changes_while_it_is_read(ceph_aws: Bucket) -> None:
    """Octets of two objects are never given as one."""
    with (
        BrokenWay(
            port_of(ceph_aws), lambda octets: octets.startswith(b"GET "), after=1_500_000
        ) as way,
        opened(f"s3://{ceph_aws.name}", endpoint=way.url) as store,
    ):
        store.replace("state/a", bytes(3_000_000))
        chunks = store.read("state/a")
        assert next(chunks)
        store.replace("state/a", b"x" * 3_000_000)
        with pytest.raises(StoreError, match="changed"):
            list(chunks)


def test_server_without_ranges(aws: pytest.MonkeyPatch) -> None:
    """A server that answers a range with the whole object (made up here) is not believed."""
    with opened("s3://mail") as store, Stubber(store._client) as stub:
        whole = {"ResponseMetadata": {"HTTPStatusCode": 200}, "ContentLength": 5}
        stub.add_response("get_object", {**whole, "Body": io.BytesIO(b"whole")})
        with pytest.raises(StoreError, match="parts of objects"):
            list(store.read("a", offset=2))


class _BrokenBody(io.RawIOBase):
    def read(self, size: int = -1, /) -> bytes:
        raise ResponseStreamingError(error="cut")
