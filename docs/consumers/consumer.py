"""A complete consumer in Python, standard library alone: run it with `mockserver check -- python docs/consumers/consumer.py`."""

import codecs
import http.client
import io
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit


def read_events(response: http.client.HTTPResponse) -> Iterator[str]:
    """The data of each server-sent event (WHATWG HTML 9.2.6); lines may end in LF, CRLF or CR."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()  # which passes over a byte order mark
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)  # CRLF and CR become LF, also over two reads
    begun, data = list[str](), list[str]()
    while chunk := response.read1(65536):
        *ends, rest = newlines.decode(chunk).split("\n")
        for end in ends:
            line = "".join([*begun, end])
            begun.clear()
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                yield "\n".join(data)
                data.clear()
        begun.append(rest)  # not joined yet: to add to a text again and again takes the square of its length


def get_answer(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """The answer to the request. `http.client` takes 102 and 103 for one, but they come before it (RFC 9110 15.2)."""
    response = connection.getresponse()
    while 100 <= response.status < 200:
        response.headers = None  # type: ignore[assignment]  # else `begin` takes the answer for read
        response.begin()
    return response


def ask(line: dict[str, Any]) -> dict[str, Any]:
    """Make the request of one case, and report what came of it."""
    url = urlsplit(line["base_url"] + "/chat/completions")
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=line["timeout_s"])
    with closing(connection):
        connection.request("POST", url.path, json.dumps(line["request"]), {"Content-Type": "application/json"})
        response = get_answer(connection)
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {response.read(200)!r}")
        return read_reply(read_events(response))


def read_reply(events: Iterator[str]) -> dict[str, Any]:
    """What the events of a stream come to."""
    got: dict[str, Any] = {"content": "", "tool_calls": [], "finish_reason": None, "usage": None, "error": None}
    for data in events:
        if data == "[DONE]":
            break
        chunk = json.loads(data)
        if "error" in chunk:
            raise RuntimeError(f"the server told an error: {chunk['error']}")
        got["usage"] = chunk.get("usage") or got["usage"]
        for choice in chunk.get("choices") or []:
            got["content"] += (choice.get("delta") or {}).get("content") or ""
            got["finish_reason"] = choice.get("finish_reason") or got["finish_reason"]
    if got["finish_reason"] is None:
        got["error"] = {"type": "Truncated", "message": "the stream ended without a finish reason"}
    return got


LACKS = ["tools", "n", "refusal", "reasoning", "retries", "leave_early", "read_pause"]
print(json.dumps({"consumer": "example-python", "version": "1", "lacks": LACKS}), flush=True)
for text_line in sys.stdin:
    case = json.loads(text_line)
    try:
        answer = ask(case)
    except Exception as error:
        answer = {"error": {"type": type(error).__name__, "message": str(error)}}
    print(json.dumps({"case": case["case"], **answer}), flush=True)
