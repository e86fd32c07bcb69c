"""A complete consumer in Python, standard library alone: run it with `mockserver check -- python docs/consumers/consumer.py`."""

import codecs
import http.client
import io
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit


def read_events(response: http.client.HTTPResponse) -> Iterator[str]:
    """The data of each server-sent event (WHATWG HTML 9.2.6); lines may end in LF, CRLF or CR."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)  # CRLF and CR become LF, also over two reads
    text, data, at_start = "", list[str](), True
    while chunk := response.read1(65536):
        text += newlines.decode(chunk)
        if at_start and text:
            text, at_start = text.removeprefix("\ufeff"), False
        *lines, text = text.split("\n")
        for line in lines:
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                yield "\n".join(data)
                data = []


def ask(line: dict[str, Any]) -> dict[str, Any]:
    """Make the request of one case, and report what came of it."""
    url = urlsplit(line["base_url"] + "/chat/completions")
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=line["timeout_s"])
    connection.request("POST", url.path, json.dumps(line["request"]), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {response.read(200)!r}")
    got: dict[str, Any] = {"content": "", "tool_calls": [], "finish_reason": None, "usage": None, "error": None}
    for data in read_events(response):
        if data == "[DONE]":
            break
        chunk = json.loads(data)
        if "error" in chunk:
            raise RuntimeError(f"the server told an error: {chunk['error']}")
        got["usage"] = chunk.get("usage") or got["usage"]
        for choice in chunk.get("choices") or []:
            got["content"] += (choice.get("delta") or {}).get("content") or ""
            got["finish_reason"] = choice.get("finish_reason") or got["finish_reason"]
    connection.close()
    if got["finish_reason"] is None:
        got["error"] = {"type": "Truncated", "message": "the stream ended without a finish reason"}
    return got


print(
    json.dumps({"consumer": "example-python", "version": "1", "lacks": ["tools", "n", "refusal", "reasoning"]}),
    flush=True,
)
for text_line in sys.stdin:
    case = json.loads(text_line)
    try:
        answer = ask(case)
    except Exception as error:
        answer = {"error": {"type": type(error).__name__, "message": str(error)}}
    print(json.dumps({"case": case["case"], **answer}), flush=True)
