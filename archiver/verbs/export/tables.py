"""What is known of messages, without the messages: CSV, JSON lines, Parquet."""

import csv
import io
import json
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from archiver.durable import sync_directory, sync_file
from archiver.errors import UsageError
from archiver.index import Hit
from archiver.verbs.export.growing import Growing, refuse_existing
from archiver.verbs.search import CSV_COLUMNS, csv_rows, hit_json

_ROWS_AT_ONCE = 2_000


class Csv(Growing):
    """A line for each message (RFC 4180), with the columns of ``search --csv``."""

    reads = False

    def begin(self, file: BinaryIO) -> None:
        """Writes the names of the columns."""
        file.write(_csv_line(CSV_COLUMNS))

    def write(self, file: BinaryIO, hit: Hit, octets: BinaryIO) -> None:
        """Writes a line."""
        file.writelines(map(_csv_line, csv_rows([hit])))


class JsonLines(Growing):
    """An object for each message, with the fields of ``search --json`` but the snippet."""

    reads = False

    def write(self, file: BinaryIO, hit: Hit, octets: BinaryIO) -> None:
        """Writes a line."""
        file.write(json.dumps(_record(hit), ensure_ascii=False).encode() + b"\n")


class Parquet:
    """A table for analysis, with the fields of JSON lines; it always begins anew.

    Args:
        destination: the file.

    Raises:
        UsageError: it exists already, or pyarrow is not installed.
    """

    reads = False

    def __init__(self, destination: Path) -> None:
        refuse_existing(destination)
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise UsageError(
                "Parquet needs pyarrow", hint="pip install 'pop3-archiver[parquet]'"
            ) from None
        person = pyarrow.struct([("name", pyarrow.string()), ("address", pyarrow.string())])
        part = pyarrow.struct(
            [
                ("name", pyarrow.string()),
                ("type", pyarrow.string()),
                ("size", pyarrow.int64()),
                ("digest", pyarrow.string()),
            ]
        )
        self._schema = pyarrow.schema(
            [
                ("digest", pyarrow.string()),
                ("message_id", pyarrow.string()),
                ("accounts", pyarrow.list_(pyarrow.string())),
                ("date", pyarrow.timestamp("s", tz="UTC")),
                ("from", person),
                ("to", pyarrow.list_(person)),
                ("subject", pyarrow.string()),
                ("size", pyarrow.int64()),
                ("attachments", pyarrow.list_(part)),
                ("key", pyarrow.string()),
                ("offset", pyarrow.int64()),
                ("length", pyarrow.int64()),
            ]
        )
        self._table = pyarrow.Table
        self._destination = destination
        self._partial = destination.with_name(f"{destination.name}.partial")
        self._writer = pyarrow.parquet.ParquetWriter(self._partial, self._schema)
        self._rows: list[dict[str, Any]] = []

    def has(self, hit: Hit) -> bool:
        """It always begins anew."""
        return False

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Takes a row."""
        self._rows.append({**_record(hit), "date": hit.date})
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()

    def finish(self) -> None:
        """Writes the rest, and gives the file its name."""
        self._flush()
        self._writer.close()
        sync_file(self._partial)
        self._partial.rename(self._destination)
        sync_directory(self._destination.absolute().parent)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What is not whole goes."""
        self._writer.close()
        self._partial.unlink(missing_ok=True)


def _record(hit: Hit) -> dict[str, Any]:
    record = hit_json(hit)
    del record["snippet"]
    return record


def _csv_line(row: Any) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(row)
    return line.getvalue().encode(errors="replace")
