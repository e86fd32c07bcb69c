"""The shared table of event streams, `fixtures/sse/events.table`, as rows."""

from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, convert, field

TABLE = Path(__file__).parents[2] / "fixtures" / "sse" / "events.table"


class RowEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """An expected event."""

    data: str
    event: str = "message"
    id: str = ""


class RowUnfinished(Struct, frozen=True, forbid_unknown_fields=True):
    """What the end of the stream is expected to cut off."""

    data: str | None
    event: str = "message"
    line: str = ""


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """One row; the head of the file says what each key means."""

    name: str
    source: str
    stream: str = field(name="bytes")
    events: tuple[RowEvent, ...] = ()
    canonical: bool = False
    comments: tuple[str, ...] = ()
    retry: tuple[int, ...] = ()
    ignored: tuple[str, ...] = ()
    unfinished: RowUnfinished | None = None
    last_id: str = ""
    invalid: bool = False
    before: int = 0

    @property
    def wire(self) -> bytes:
        """The stream's bytes."""
        return self.stream.encode("latin-1")


def load_rows() -> list[Row]:
    """All rows, their shape checked."""
    tree: Any = yaml.safe_load(TABLE.read_text("utf-8"))
    return convert(tree, list[Row])
