"""The WHATWG event-stream format, incrementally and without I/O: everything that turns bytes into events lives here.

Feed bytes, get events; tell it the end and learn what was unfinished. Any partition of the same bytes gives the same events.
The rules are those of the WHATWG HTML standard, sections 9.2.5 ("Parsing an event stream", W5 below) and 9.2.6 ("Interpreting
an event stream", W6); the sentence stands at the line that enforces it. Two rules are ours, where the standard leaves room:

- **Invalid UTF-8** is replaced (U+FFFD) as W6 tells, unless `strict` is asked for: then a field that cannot be decoded is a
  `MalformedError`. Replaced text looks like text; who must not pass it for whole asks for `strict`.
- **Bounds.** W5 knows no limit. `max_line_bytes` counts the bytes of one line without its end, `max_event_bytes` those of all
  lines since the last blank line, comments included, each line end as one. Past either is a `TooLargeError`; memory stays
  within the bound plus one fed piece.

A fault never hides the events before it: they are returned first, and the error is raised by that call only if there is
nothing to return, else by the next one (`fault` holds it in between).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NoReturn

from client.errors import ChatError, MalformedError, TooLargeError, excerpt
from client.events import Comment, Event, Ignored, Notice, Retry, Unfinished

__all__ = ["Comment", "Event", "Ignored", "Notice", "Parser", "Retry", "Unfinished"]

BOM = b"\xef\xbb\xbf"
CR = ord("\r")
LF = ord("\n")
RETRY_DIGITS = 18
"""Longer than this is no time in milliseconds, and Python refuses to read a number of thousands of digits."""


class Parser:
    """An incremental parser of one event stream.

    `on_notice` is called with each comment, retry and ignored line as it is met; `event_count` is how many events came before
    it. `last_event_id` is the last event ID string, `retry_ms` the reconnection time in milliseconds (None until one is sent).
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        on_notice: Callable[[Notice], None] | None = None,
        max_line_bytes: int | None = None,
        max_event_bytes: int | None = None,
    ) -> None:
        self.event_count = 0
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self.fault: ChatError | None = None
        self._errors = "strict" if strict else "replace"
        self._on_notice = on_notice
        self._max_line = max_line_bytes
        self._max_event = max_event_bytes
        # What is smaller than every bound cannot pass one, so that most pieces are read without counting lines.
        bounds = [bound for bound in (max_line_bytes, max_event_bytes) if bound is not None]
        self._carefree = min(bounds, default=math.inf)
        self._begun = False
        self._ended = False
        self._between = False  # events: nothing is begun, over or at fault
        self._after_cr = False
        self._tail = bytearray()  # a line without its end; appending keeps many small pieces linear in time
        self._lines_bytes = 0  # finished lines since the last blank line
        self._data: list[str] = []
        self._type = ""
        self._id = ""

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes; raises `MalformedError` or `TooLargeError` as the module says."""
        # The usual read is one event of one line: its first LF is the last byte but one, so that the last ends a blank line.
        if (
            self._between
            and data[:6] == b"data: "
            and data.find(b"\n") == len(data) - 2
            and data[-1] == LF
            and CR not in data
            and len(data) <= self._carefree
        ):
            try:
                text = data[6:-2].decode("utf-8", self._errors)
            except UnicodeDecodeError:
                return self._feed(data)
            self.event_count += 1
            return [Event(text, "message", self._id)]
        return self._feed(data)

    def _feed(self, data: bytes) -> list[Event]:
        """Any bytes."""
        if self._ended or self.fault is not None:
            self._refuse_call()
        if not self._begun:
            data = self._skip_bom(data)
        if self._after_cr or CR in data:
            data = self._end_lines_with_lf(data)
        rest = b""
        if self._tail or data[-1:] != b"\n":
            data, rest = self._cut_lines(data)
        events = self._read_lines(data) if data else []
        if rest and self.fault is None:
            self._tail += rest
            if len(self._tail) + self._lines_bytes > self._carefree:
                self._check_bounds(len(self._tail))
        self._between = self._begun and not (self._lines_bytes or self._tail or self._after_cr or self.fault)
        if self.fault is not None:
            self._tail.clear()
            self._data.clear()
            if not events:
                raise self.fault
        return events

    def end(self) -> Unfinished | None:
        """Tell the parser that no more bytes follow, and learn what was unfinished; raises a fault not yet raised."""
        if self._ended or self.fault is not None:
            self._refuse_call()
        self._ended = True
        self._between = False
        # W6: "Once the end of the file is reached, any pending data must be discarded."
        line = self._tail.decode("utf-8", "replace")
        name, _, value = line.partition(":")
        if name in ("data", "event"):
            self._take_field(name, value.removeprefix(" "))
        data = "\n".join(self._data) if self._data else None
        return Unfinished(data, self._type or "message", line) if line or data is not None else None

    def _refuse_call(self) -> NoReturn:
        if self.fault is not None:
            raise self.fault
        raise RuntimeError("this parser was told the end of its stream; make a new Parser for a new stream")

    def _skip_bom(self, data: bytes) -> bytes:
        # W6: "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
        data = bytes(self._tail) + data
        if len(data) < len(BOM) and BOM.startswith(data):
            self._tail = bytearray(data)
            return b""
        self._tail = bytearray()
        self._begun = True
        return data.removeprefix(BOM)

    def _end_lines_with_lf(self, data: bytes) -> bytes:
        # W5: "Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF) character pair, a single
        # U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE RETURN (CR) character." A CR ends its line at once;
        # an LF right after it, perhaps in the next piece, belongs to it.
        if not data:
            return data
        follows_cr, self._after_cr = self._after_cr, data.endswith(b"\r")
        if follows_cr:
            data = data.removeprefix(b"\n")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _cut_lines(self, data: bytes) -> tuple[bytes, bytes]:
        """The lines that `data` completes, the one begun before it included, and the rest."""
        cut = data.rfind(b"\n") + 1
        if not cut:
            return b"", data
        lines = bytes(self._tail) + data[:cut]
        self._tail = bytearray()
        return lines, data[cut:]

    def _read_lines(self, data: bytes) -> list[Event]:
        """Whole lines, each ended by LF."""
        if self._lines_bytes + len(data) > self._carefree:
            return self._read_carefully(data)
        try:
            text = data.decode("utf-8", self._errors)
        except UnicodeDecodeError:
            return self._read_carefully(data)
        if not self._lines_bytes and text.startswith("data: ") and text.endswith("\n\n"):
            # Nearly always they are one data line and one blank line by turns: if so, no LF is left when they are taken apart.
            values = text[6:-2].split("\n\ndata: ")
            if "\n" not in "".join(values):
                self.event_count += len(values)
                return [Event(value, "message", self._id) for value in values]
        events: list[Event] = []
        for line in text[:-1].split("\n"):
            self._take_line(line, events)
        self._lines_bytes = self._count_unfinished(data)
        return events

    def _count_unfinished(self, lines: bytes) -> int:
        """How many bytes of finished lines follow the last blank line, counting those of earlier pieces."""
        blank = lines.rfind(b"\n\n")
        if blank >= 0:
            return len(lines) - blank - 2
        return len(lines) - 1 if lines.startswith(b"\n") else self._lines_bytes + len(lines)

    def _read_carefully(self, lines: bytes) -> list[Event]:
        """Line by line: counting what bounds count, and naming the line that is not UTF-8."""
        events: list[Event] = []
        for raw in lines[:-1].split(b"\n"):
            if not self._check_bounds(len(raw)):
                break
            self._lines_bytes = self._lines_bytes + len(raw) + 1 if raw else 0
            if not self._check_bounds(0):
                break
            try:
                line = raw.decode("utf-8", self._errors)
            except UnicodeDecodeError as error:
                line = raw.decode("utf-8", "replace")
                if line.partition(":")[0] in ("data", "event", "id"):
                    self.fault = MalformedError(
                        "UTF-8 in a field", f"byte {error.start} of {excerpt(raw)}: {error.reason}"
                    )
                    break
            self._take_line(line, events)
        return events

    def _check_bounds(self, line_bytes: int) -> bool:
        """Whether a line so long, after those before it, keeps both bounds; if not, the fault is set."""
        sizes = (("line", line_bytes, self._max_line), ("event", self._lines_bytes + line_bytes, self._max_event))
        passed = [(size - bound, what, bound) for what, size, bound in sizes if bound is not None and size > bound]
        if not passed:
            return True
        # The bound that was passed by more was passed first, which is the one that a finer cut would have met.
        _, what, bound = max(passed)
        self.fault = TooLargeError(
            f"the end of the {what} within {bound} bytes",
            "more bytes",
            remedy=f"raise max_{what}_bytes if {what}s that long are meant",
        )
        self.fault.bound_bytes = bound
        return False

    def _take_line(self, line: str, events: list[Event]) -> None:
        if not line:
            # W6: "If the line is empty (a blank line): Dispatch the event, as defined below."
            self._dispatch(events)
        elif line.startswith(":"):
            # W6: "If the line starts with a U+003A COLON character (:): Ignore the line."
            self._notice(Comment(line[1:]))
        else:
            # W6: "Collect the characters on the line before the first U+003A COLON character (:) […] If value starts with
            # a U+0020 SPACE character, remove it from value." Without a colon the whole line is the name.
            name, _, value = line.partition(":")
            if not self._take_field(name, value.removeprefix(" ")):
                # W6: "Otherwise: The field is ignored."
                self._notice(Ignored(line))

    def _take_field(self, name: str, value: str) -> bool:
        """Whether the field counts. Names are compared literally: W6 folds no case."""
        match name:
            case "data":
                # W6: "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF) character".
                self._data.append(value)
            case "event":
                # W6: "Set the event type buffer to field value."
                self._type = value
            case "id" if "\0" not in value:
                # W6: "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field value."
                self._id = value
            case "retry" if value.isascii() and value.isdigit() and len(value) <= RETRY_DIGITS:
                # W6: "If the field value consists of only ASCII digits, then interpret the field value as an integer in
                # base ten, and set the event stream's reconnection time to that integer."
                self.retry_ms = int(value)
                self._notice(Retry(self.retry_ms))
            case _:
                return False
        return True

    def _dispatch(self, events: list[Event]) -> None:
        # W6: "Set the last event ID string of the event source to the value of the last event ID buffer. The buffer does
        # not get reset, so the last event ID string of the event source remains set to this value until the next time".
        self.last_event_id = self._id
        # W6: "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty string and
        # return." A data field without a value is not that: it leaves a line feed in the buffer.
        if self._data:
            # W6: "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove the last character".
            events.append(Event("\n".join(self._data), self._type or "message", self._id))
            self.event_count += 1
            self._data = []
        self._type = ""

    def _notice(self, notice: Notice) -> None:
        if self._on_notice is not None:
            self._on_notice(notice)
