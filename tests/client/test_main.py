import io
import os
import subprocess
import sys

import msgspec
import pytest

from client import __main__ as command
from client.__main__ import main
from client.completion import Completion, Timings
from tests.client.bodies import DONE, HEL, HELLO, LO, ROLE, STOP, USAGE_CHUNK, events
from tests.client.catalogue import PIECES, called
from tests.client.chunks import chunk
from tests.client.conftest import Serve
from tests.client.wire import CLOSE, HOLD, streamed, whole

Capture = pytest.CaptureFixture[str]


def test_an_answer_goes_to_standard_output_and_its_speed_to_standard_error(serve: Serve, capsys: Capture) -> None:
    server = serve(streamed(events(ROLE, HEL, LO, STOP, USAGE_CHUNK) + DONE))
    assert main(["Say hello", "--base-url", server.base_url, "--api-key", "k"]) == 0
    out, err = capsys.readouterr()
    assert out == "Hello\n"
    assert "first token after" in err
    assert "5 chunks" in err
    assert "finish reason: stop" in err
    assert msgspec.json.decode(server.requests[0].body) == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert server.requests[0].headers["authorization"] == "Bearer k"


def test_the_request_is_what_the_options_say(serve: Serve, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(streamed(HELLO))
    monkeypatch.setattr(sys, "stdin", io.StringIO("from stdin"))
    assert main(["-", "--base-url", server.base_url, "--model", "x", "--system", "be kind", "--max-tokens", "7"]) == 0
    request = msgspec.json.decode(server.requests[0].body)
    assert (request["model"], request["max_completion_tokens"]) == ("x", 7)
    assert request["messages"] == [{"role": "system", "content": "be kind"}, {"role": "user", "content": "from stdin"}]


def test_the_environment_says_where_to_ask(serve: Serve, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", serve(streamed(HELLO)).base_url)
    assert main(["hi"]) == 0
    assert capsys.readouterr().out == "Hello\n"


def test_tool_calls_and_refusals_are_printed_too(serve: Serve, capsys: Capture) -> None:
    assert main(["hi", "--base-url", serve(streamed(called(*PIECES))).base_url]) == 0
    assert capsys.readouterr().out == '\nf({"a":1})\n'
    assert main(["hi", "--base-url", serve(streamed(events(chunk({"refusal": "No"}), STOP) + DONE)).base_url]) == 0
    assert capsys.readouterr().out == "No\n"


def test_an_answer_that_is_not_whole_is_printed_with_its_error(serve: Serve, capsys: Capture) -> None:
    server = serve(streamed(events(ROLE, HEL), end=CLOSE))
    assert main(["hi", "--base-url", server.base_url]) == 1
    out, err = capsys.readouterr()
    assert out == "Hel\n"
    assert "finish reason: none" in err
    assert "TruncatedError: expected the rest of the body" in err


def test_limits_and_retries_are_options(serve: Serve, capsys: Capture) -> None:
    server = serve(streamed(events(ROLE, HEL), end=HOLD), whole(b"{}", "500 Oops"))
    assert main(["hi", "--base-url", server.base_url, "--idle-timeout", "0.1"]) == 1
    assert "another event within 0.1 s" in capsys.readouterr().err
    assert main(["hi", "--base-url", server.base_url, "--retries", "0"]) == 1
    assert "0 chunks" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["hi", "--idle-timeout", "soon"], ["hi", "--base-url", "ftp://h"], ["a", "b"]]
)
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "mockserver-client: error: " in capsys.readouterr().err


def test_interrupting_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "ask", interrupt)
    assert main(["hi"]) == 130


def test_the_consumer_protocol_is_an_option(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["--consumer"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["lacks"] == []


def test_a_reader_that_goes_away_is_no_traceback(serve: Serve) -> None:
    server = serve(streamed(HELLO))
    shell = f'"{sys.executable}" -m client hi --base-url {server.base_url} | true; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stdout in ("0\n", "1\n")


def test_a_reader_that_has_gone_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def write(*_: object) -> None:
        raise BrokenPipeError

    moved: list[tuple[int, int]] = []
    monkeypatch.setattr(command, "ask", write)
    monkeypatch.setattr(os, "dup2", lambda *pair: moved.append(pair))
    assert main(["hi"]) == 1
    assert moved[0][1] == sys.stdout.fileno()
    os.close(moved[0][0])


@pytest.mark.parametrize(
    ("completion", "line"),
    [
        (Completion(), "0 chunks  finish reason: none"),
        (Completion(timings=Timings(None, (), 1.0)), "0 chunks  finish reason: none"),
        (
            Completion(timings=Timings(0.5, (0.25, 0.25), 1.0)),
            "first token after 0.500 s  4.0 pieces/s  0 chunks  finish reason: none",
        ),
        (
            Completion(timings=Timings(0.5, (0.25, 0.25), 1.0), usage={"completion_tokens": 11}),
            "first token after 0.500 s  20.0 tokens/s  0 chunks  finish reason: none",
        ),
        (
            Completion(timings=Timings(0.5, (0.0,), 1.0)),
            "first token after 0.500 s  2 pieces at once  0 chunks  finish reason: none",
        ),
        (
            Completion(timings=Timings(0.5, (), 1.0)),
            "first token after 0.500 s  1 pieces at once  0 chunks  finish reason: none",
        ),
    ],
)
def test_the_summary(completion: Completion, line: str) -> None:
    assert command.summarise(completion, 0) == line
