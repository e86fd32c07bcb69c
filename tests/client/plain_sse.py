"""A second reading of the event-stream standard, to check the first against: the whole stream at once, one character at a time.

Slow, and as close to the standard's own steps as can be. It shares no line with `client.sse`.
"""

from client.sse import Event


def read_plainly(stream: bytes) -> list[Event]:
    """The events of a whole stream."""
    text = stream.decode("utf-8", "replace")
    text = text[1:] if text.startswith("\ufeff") else text
    events: list[Event] = []
    data = kind = last_id = ""
    for line in finished_lines(text):
        if line == "":
            if data != "":
                events.append(Event(data[:-1], kind or "message", last_id))
            data = kind = ""
        elif line[0] != ":":
            name, value = (line, "") if ":" not in line else (line[: line.index(":")], line[line.index(":") + 1 :])
            value = value[1:] if value[:1] == " " else value
            if name == "data":
                data += value + "\n"
            elif name == "event":
                kind = value
            elif name == "id" and "\0" not in value:
                last_id = value
    return events


def finished_lines(text: str) -> list[str]:
    """The lines that have an end."""
    lines: list[str] = []
    line = ""
    at = 0
    while at < len(text):
        if text[at] == "\r":
            lines.append(line)
            line = ""
            at += 2 if text[at + 1 : at + 2] == "\n" else 1
        elif text[at] == "\n":
            lines.append(line)
            line = ""
            at += 1
        else:
            line += text[at]
            at += 1
    return lines
