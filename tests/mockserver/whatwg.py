"""A parser of event streams for tests: the WHATWG HTML standard's algorithm, sentence by sentence, on a whole body.

It shares nothing with the server's encoder nor with the client's parser. Sections 9.2.5 ("Parsing an event stream") and
9.2.6 ("Interpreting an event stream") of the standard, which this quotes.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """One dispatched event."""

    data: str
    type: str = "message"
    id: str = ""


@dataclass
class EventStream:
    """What a body holds: its events, its comments, its reconnection times, and what was pending at its end."""

    events: list[Event] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    retry: list[int] = field(default_factory=list)
    pending: str = ""
    _data: str = ""
    _type: str = ""
    _id: str = ""

    def dispatch(self) -> None:
        # "Set the last event ID string of the event source to the value of the last event ID buffer" is what _id is.
        if self._data == "":  # "If the data buffer is an empty string, set the data buffer and the event type buffer
            self._type = ""  # to the empty string and return."
            return
        # "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove [it]."
        self.events.append(Event(self._data.removesuffix("\n"), self._type or "message", self._id))
        self._data = self._type = ""

    def process(self, name: str, value: str) -> None:
        match name:
            case "event":  # "Set the event type buffer to field value."
                self._type = value
            case "data":  # "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF)"
                self._data += value + "\n"
            case "id" if (
                "\0" not in value
            ):  # "If the field value does not contain U+0000 NULL, then set the last event ID"
                self._id = value
            case "retry" if value and all(c in "0123456789" for c in value):  # "consists of only ASCII digits"
                self.retry.append(int(value))


def parse(body: bytes) -> EventStream:
    """Parse a whole body."""
    stream = EventStream()
    # "Streams must be decoded using the UTF-8 decode algorithm", which "strips one leading UTF-8 Byte Order Mark (BOM), if any".
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff")
    line, at = "", 0
    while at < len(text):
        # "Lines must be separated by either a U+000D U+000A (CRLF) character pair, a single U+000A LINE FEED (LF) character,
        # or a single U+000D CARRIAGE RETURN (CR) character."
        if text[at] not in "\r\n":
            line, at = line + text[at], at + 1
            continue
        at += 2 if text.startswith("\r\n", at) else 1
        if line == "":
            stream.dispatch()
        elif line.startswith(":"):  # "If the line starts with a U+003A COLON character (:): Ignore the line."
            stream.comments.append(line[1:])
        else:
            name, _, value = line.partition(":")
            stream.process(name, value.removeprefix(" "))
        line = ""
    # "Once the end of the file is reached, any pending data must be discarded."
    stream.pending = stream._data + line
    return stream
