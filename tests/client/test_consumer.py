import importlib.metadata
import io
import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from client import consumer
from client.consumer import run_consumer
from client.stream import ChatStream
from tests.client.bodies import DONE, HEL, HELLO, LO, ROLE, STOP, USAGE, USAGE_CHUNK, event, events
from tests.client.catalogue import PIECES, WHOLE, called, json
from tests.client.chunks import chunk, text
from tests.client.conftest import Serve
from tests.client.wire import CLOSE, HOLD, LAST_CHUNK, Drip, Reply, chunk_of, streamed, whole

REQUEST = {"model": "m", "messages": [], "stream": True}
PLAIN: dict[str, Any] = {
    "case": "c",
    "content": "Hello",
    "tool_calls": [],
    "refusal": None,
    "reasoning": None,
    "finish_reason": "stop",
    "usage": None,
    "error": None,
}


def line(base_url: str, **fields: Any) -> str:
    case = {
        "case": "c",
        "base_url": base_url,
        "api_key": "test",
        "timeout_s": 5,
        "retries": 0,
        "request": REQUEST,
        **fields,
    }
    return msgspec.json.encode(case).decode() + "\n"


def run(*lines: str) -> list[dict[str, Any]]:
    """What the program writes, but for its line about itself."""
    out = io.StringIO()
    run_consumer(lines, out)
    first, *rest = [msgspec.json.decode(each) for each in out.getvalue().splitlines()]
    assert set(first) == {"consumer", "version", "lacks"}
    return rest


def outcome(*lines: str) -> dict[str, Any]:
    """The last line, which is the outcome."""
    return run(*lines)[-1]


def test_the_first_line_is_about_itself() -> None:
    out = io.StringIO()
    run_consumer([], out)
    about = msgspec.json.decode(out.getvalue())
    assert about["consumer"] == "openai-mockserver-client"
    assert about["lacks"] == []


def test_the_version_is_the_distributions_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"{name} 9")
    assert consumer.find_version() == "openai-mockserver 9"

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert consumer.find_version() == "unknown"


def test_a_case_comes_to_its_outcome(serve: Serve) -> None:
    server = serve(streamed(HELLO))
    assert outcome(line(server.base_url)) == PLAIN
    request = server.requests[0]
    assert msgspec.json.decode(request.body) == REQUEST
    assert request.headers["authorization"] == "Bearer test"


def test_one_http_client_is_kept_for_all_lines(serve: Serve) -> None:
    server = serve(streamed(HELLO), streamed(HELLO), streamed(HELLO))
    assert run(line(server.base_url), "\n", line(server.base_url), line(server.base_url)) == [PLAIN] * 3
    assert server.connection_count == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (events(ROLE, HEL, LO, STOP, USAGE_CHUNK) + DONE, {"usage": USAGE}),
        (
            called(*PIECES),
            {
                "content": "",
                "finish_reason": "tool_calls",
                "tool_calls": [{"id": "t1", "type": "function", "name": "f", "arguments": '{"a":1}'}],
            },
        ),
        (
            called(chunk({"tool_calls": [{"type": "custom", "custom": {"input": "x"}}]}), finish="stop"),
            {"content": "", "tool_calls": [{"id": None, "type": "custom", "name": None, "input": "x"}]},
        ),
        (
            events(chunk({"refusal": "No", "reasoning": "hm"}), STOP) + DONE,
            {"content": "", "refusal": "No", "reasoning": "hm"},
        ),
        (
            events(chunk({"function_call": {"name": "f", "arguments": "{}"}, "audio": {"id": "a"}}), STOP) + DONE,
            {
                "content": "",
                "function_call": {"name": "f", "arguments": "{}"},
                "audio": {"id": "a", "data": "", "transcript": "", "expires_at": None},
            },
        ),
        (
            event(
                {
                    "choices": [
                        {
                            "index": 0,
                            "delta": {"content": "Hello"},
                            "logprobs": {"content": [1]},
                            "finish_reason": "stop",
                        }
                    ]
                }
            )
            + DONE,
            {"logprobs": {"content": [1]}},
        ),
    ],
)
def test_what_a_reply_holds_is_in_its_outcome(body: bytes, expected: dict[str, Any], serve: Serve) -> None:
    assert outcome(line(serve(streamed(body)).base_url)) == {**PLAIN, **expected}


def test_several_choices_are_listed(serve: Serve) -> None:
    body = events(text("A", "stop"), text("B", "length", index=1)) + DONE
    told = outcome(line(serve(streamed(body)).base_url, request={**REQUEST, "n": 2}))
    assert [(each["index"], each["content"], each["finish_reason"]) for each in told["choices"]] == [
        (0, "A", "stop"),
        (1, "B", "length"),
    ]
    assert told["content"] == "A"


def test_a_reply_that_is_not_streamed(serve: Serve) -> None:
    server = serve(whole(json(WHOLE)))
    assert outcome(line(server.base_url, request={**REQUEST, "stream": False})) == PLAIN


def test_an_error_is_told_with_what_had_come(serve: Serve) -> None:
    told = outcome(line(serve(streamed(events(ROLE, HEL), end=CLOSE)).base_url))
    assert told["error"]["type"] == "TruncatedError"
    assert "the rest of the body" in told["error"]["message"]
    assert (told["content"], told["finish_reason"]) == ("Hel", None)


def test_retries_are_those_of_the_case(serve: Serve) -> None:
    busy = whole(b"{}", "503 Busy", retry_after_ms="1")
    server = serve(busy, streamed(HELLO), busy)
    assert outcome(line(server.base_url, retries=1)) == PLAIN
    assert outcome(line(server.base_url))["error"]["type"] == "RefusedError"
    assert len(server.requests) == 3


def test_the_limit_is_on_the_silence_between_bytes(serve: Serve) -> None:
    """Comments for longer than the limit, before the first event and after it, and then silence."""
    pings = Drip(chunk_of(b": ping\n\n"), 0.03, 20)
    begun = streamed().steps[:1]
    server = serve(
        Reply(*begun, pings, chunk_of(events(ROLE, HEL)), pings, chunk_of(events(LO, STOP) + DONE), LAST_CHUNK),
        streamed(events(ROLE, HEL), end=HOLD),
    )
    assert outcome(line(server.base_url, timeout_s=0.4)) == PLAIN
    assert outcome(line(server.base_url, timeout_s=0.4))["error"]["type"] == "StalledError"


def test_leaving_after_some_chunks(serve: Serve) -> None:
    server = serve(streamed(events(ROLE, HEL), end=HOLD), streamed(HELLO))
    told = run(line(server.base_url, leave_after_chunks=2), line(server.base_url))
    assert (told[0]["content"], told[0]["finish_reason"], told[0]["error"]) == ("Hel", None, None)
    assert server.left.wait(10)
    assert told[1] == PLAIN


def test_pausing_after_each_delta(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert outcome(line(serve(streamed(HELLO)).base_url, read_pause_ms=20)) == PLAIN
    assert pauses == [0.02] * 4


def test_text_is_told_on_the_way_but_not_too_often(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    body = events(ROLE, text("a"), text("b"), text("c"), text("d"), STOP) + DONE
    monkeypatch.setattr(consumer, "DELTA_PAUSE_S", 0.0)
    told = run(line(serve(streamed(body)).base_url))
    assert [each["delta"] for each in told[:-1]] == ["a", "b", "c", "d"]
    assert told[-1]["content"] == "abcd"
    monkeypatch.setattr(consumer, "DELTA_PAUSE_S", 1000.0)
    assert len(run(line(serve(streamed(body)).base_url))) == 1


def test_a_line_that_is_no_case_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        run('{"case": "c"}\n')


def test_the_program_speaks_the_protocol_over_pipes(serve: Serve) -> None:
    server = serve(streamed(HELLO), streamed(events(ROLE, HEL)))
    process = subprocess.Popen(
        [sys.executable, "-m", "client", "--consumer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert "consumer" in msgspec.json.decode(process.stdout.readline())
        for content, error in (("Hello", None), ("Hel", "TruncatedError")):
            process.stdin.write(line(server.base_url))
            process.stdin.flush()
            told: dict[str, Any] = {"delta": ""}
            while "delta" in told:
                told = msgspec.json.decode(process.stdout.readline())
            assert told["content"] == content
            assert (told["error"] or {}).get("type") == error
        process.stdin.close()
        assert process.wait(10) == 0


def test_deltas_without_text_are_looked_at_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a hundred thousand looked at with each that follows would take minutes."""
    monkeypatch.setattr(consumer, "DELTA_PAUSE_S", 0.0)
    looks = 0

    class Text(str):
        def __len__(self) -> int:
            nonlocal looks
            looks += 1
            return super().__len__()

    told: list[str] = []
    deltas = [SimpleNamespace(content=Text()) for _ in range(300)]
    consumer.follow(cast(ChatStream, deltas), consumer.Case("http://127.0.0.1/v1", {}), told.append)
    assert (looks, told) == (300, [])
