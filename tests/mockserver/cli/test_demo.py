"""`mockserver demo`: it passes as a whole, and each statement that it checks can fail."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("openai")

import openai
from openai import OpenAI

from mockserver import MockServer, cli
from mockserver.cli import demo

COUNT = {"last_user": {"contains": "Count to 100"}}
SUM = {"last_user": {"contains": "1+1"}}


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer(time_scale=0) as server:
        yield server


@pytest.fixture
def client(server: MockServer) -> Iterator[OpenAI]:
    http_client = openai.DefaultHttpxClient(trust_env=False)
    with OpenAI(base_url=server.base_url, api_key="test", max_retries=0, http_client=http_client) as client:
        yield client


def test_the_guides_four_steps_pass_and_print_what_the_guide_prints(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["demo"]) == 0
    shown, errors = capfd.readouterr()
    # A busy machine is told of, and is no deviation.
    assert [line for line in errors.splitlines() if " this server is late: " not in line] == []
    lines = shown.splitlines()
    assert [line[4:6] for line in lines if line.startswith("### ")] == ["1.", "2.", "3.", "4."]
    assert (
        sum(line.startswith("Full response received ") and line.endswith(" seconds after request") for line in lines)
        == 2
    )
    assert lines.count(demo.ROW) == 4 + 5  # role, "Two", ".", the end; and once more with the usage
    assert lines.count("None") == 1
    times = [float(line.split()[2]) for line in lines if line.startswith("Message received ")]
    assert len(times) == 298 + 2
    assert times == sorted(times)
    assert times[0] >= 0.1, "not before TTFT; how much later is the machine's affair"
    assert f"Full conversation received: {demo.COUNTED}" in lines
    assert sum(line == "usage: None" for line in lines) == 4
    assert "choices: []" in lines
    assert lines[-1] == "All four steps went as the guide shows them."
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reply_that_comes_early_is_found(client: OpenAI) -> None:
    with pytest.raises(demo.DeviationError, match=r"the whole response: expected 4\.00 to 5\.00 s .*, got 0\.\d+ s"):
        demo.show_whole(client)
    with pytest.raises(
        demo.DeviationError, match=r"token 1: expected 0\.10 to 0\.10 s after the request, got 0\.0\d+ s"
    ):
        demo.show_times(client)


def test_a_reply_that_was_held_back_until_it_was_whole_is_found(
    client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = chain([0.0], repeat(4.6))  # of the request, and of everything that comes
    monkeypatch.setattr(demo, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    what = r"^from the first token to the last: expected 2\.97 s or more, got 0\.000 s"
    with pytest.raises(demo.DeviationError, match=what):
        demo.show_times(client)


def test_a_reply_that_comes_much_too_late_is_found() -> None:
    with pytest.raises(demo.DeviationError, match=r"x: expected 1\.00 to 2\.00 s after the request, got 12\.001 s"):
        demo._expect_time("x", 12.001, 1.0, 2.0)
    demo._expect_time("x", 12.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ({"content": "1, 2, 3"}, "the reply"),
        ({"content": demo.COUNTED, "finish_reason": "length"}, "its finish reason"),
    ],
)
def test_another_whole_reply_is_found(server: MockServer, client: OpenAI, reply: dict[str, Any], what: str) -> None:
    server.add({"name": "other", "match": COUNT, "reply": reply})
    with pytest.raises(demo.DeviationError, match=rf"^{what}: expected "):
        demo.show_whole(client)


def test_another_streamed_text_is_found(server: MockServer, client: OpenAI) -> None:
    server.add({"name": "other", "match": COUNT, "reply": "1, 2, 3"})
    with pytest.raises(demo.DeviationError, match=r"^the joined text: expected '1, 2, .*', got '1, 2, 3'$"):
        demo.show_times(client)


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ({"content": ""}, "a text in every delta between"),
        ({"tool_calls": [{"name": "f"}]}, "the first delta"),
        ({"content": "Two.", "finish_reason": "length"}, "the last delta"),
    ],
)
def test_another_stream_is_found(server: MockServer, client: OpenAI, reply: dict[str, Any], what: str) -> None:
    server.add({"name": "other", "match": SUM, "reply": reply})
    with pytest.raises(demo.DeviationError, match=rf"^{what}: expected "):
        demo.show_stream(client)


@pytest.mark.parametrize(
    ("usage", "what"),
    [({"completion_tokens": 7}, "completion tokens: expected 2, got 7")],
)
def test_other_counts_are_found(server: MockServer, client: OpenAI, usage: dict[str, Any], what: str) -> None:
    server.add({"name": "other", "match": SUM, "reply": {"content": "Two.", "usage": usage}})
    with pytest.raises(demo.DeviationError, match=f"^{what}$"):
        demo.show_usage(client)


CUT = {"faults": [{"fault": "truncate", "at": {"before_event": 0}}]}


@pytest.mark.parametrize(
    ("delivery", "show", "what"),
    [
        ({"quirks": ["usage-missing"]}, demo.show_usage, "choices of the last chunk"),
        ({"dialect": "mistral"}, demo.show_usage, "choices of the last chunk"),
        ({"dialect": "groq"}, demo.show_usage, "usage of all chunks but the last"),
        ({"dialect": "azure"}, demo.show_usage, "how many choices a chunk has"),
        ({"dialect": "azure"}, demo.show_stream, "how many choices a chunk has"),
        (CUT, demo.show_stream, "more chunks than one: expected True, got False"),
        (CUT, demo.show_usage, "more chunks than one: expected True, got False"),
        (CUT, demo.show_times, "the joined text"),
    ],
)
def test_a_stream_of_another_shape_is_a_deviation_and_no_bug(
    server: MockServer, client: OpenAI, delivery: dict[str, Any], show: Callable[[OpenAI], None], what: str
) -> None:
    for name, match in (("sum", SUM), ("count", COUNT)):
        server.add({"name": name, "match": match, "reply": "Two.", "delivery": delivery})
    with pytest.raises(demo.DeviationError, match=f"^{what}"):
        show(client)


def test_a_deviation_is_one_line_and_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo, "show_whole", lambda client: demo._expect("the reply", "1", "2"))
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "mockserver: demo: the reply: expected '1', got '2'\n"


def test_an_error_of_the_sdk_is_one_line_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def show(client: OpenAI) -> None:
        """1. A request that the server refuses"""
        client.chat.completions.create(model="m", messages=[])

    monkeypatch.setattr(demo, "show_whole", show)
    assert cli.main(["demo"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if line.startswith("mockserver: demo: the SDK raised BadRequestError: ")] == errors


def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    assert cli.main(["demo"]) == 2
    assert "pip install openai" in capsys.readouterr().err


def test_a_server_that_does_not_start_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false" if sys.platform != "darwin" else "/usr/bin/false")
    with pytest.raises(demo.DeviationError, match="the server did not start"), demo._serve():
        pass


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "START_BOUND_S", 0.05)
    silent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.PIPE, text=True)
    with silent, pytest.raises(demo.DeviationError, match="within 0 s"):
        demo._read_base_url(silent)
    assert silent.returncode == -signal.SIGKILL


def test_a_server_that_does_not_stop_is_killed_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stubborn = tmp_path / "python"
    stubborn.write_text(
        f"#!{sys.executable}\nimport signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('export OPENAI_BASE_URL=http://127.0.0.1:1/v1', flush=True)\nsignal.pause()\n"
    )
    stubborn.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stubborn))
    monkeypatch.setattr(demo, "STOP_BOUND_S", 0.05)
    with pytest.raises(demo.DeviationError, match="exit code of the server: expected 0, got -9"), demo._serve() as url:
        assert url == "http://127.0.0.1:1/v1"


def test_terminated_it_stops_its_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    servers: list[subprocess.Popen[str]] = []
    read = demo._read_base_url

    def read_and_note(child: "subprocess.Popen[str]") -> str:
        servers.append(child)
        return read(child)

    monkeypatch.setattr(demo, "_read_base_url", read_and_note)
    monkeypatch.setattr(demo, "show_whole", lambda client: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(["demo"]) == 130
    assert [server.returncode for server in servers] == [0]


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def run() -> None:
        with demo._terminated_as_interrupted():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
