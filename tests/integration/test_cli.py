"""The command as its users run it: real processes, real signals, real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from mockserver._version import __version__
from tests.support import RawClient, chat, render_request

COMMAND = [sys.executable, "-m", "mockserver"]
COUNT = "Count to 100, with a comma between each number and no newlines. E.g., 1, 2, 3, ..."
BOUND_S = 30.0


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=BOUND_S, cwd=cwd)


@contextmanager
def serving(*arguments: str, command: Sequence[str] = COMMAND) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """A running `mockserver serve`, ended afterwards, and its base URL. It tells of requests alone, however busy the machine."""
    command = [*command, "serve", "--port", "0", "--max-lateness", "1h", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        watch = threading.Timer(BOUND_S, child.kill)
        watch.start()
        try:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(4)]
            yield child, lines[1].strip().removeprefix("export OPENAI_BASE_URL=")
        finally:
            child.terminate()
            child.wait()
            watch.cancel()
            watch.join()


@pytest.mark.parametrize("name", ["mockserver", "python -m mockserver"])
def test_serve_prints_where_it_is_and_answers_there(name: str) -> None:
    command = [str(Path(sys.executable).with_name(name))] if name == "mockserver" else COMMAND
    with serving(command=command) as (_, url), RawClient(url) as client:
        assert url.startswith("http://127.0.0.1:")
        assert client.ask(chat("What's 1+1? Answer in one word.")).content == "Two."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_exit_code_0_though_a_stream_is_open(number: signal.Signals) -> None:
    with serving() as (child, url), RawClient(url) as client:
        client.send(render_request(chat(COUNT)))
        client.read_until(b"data: ")
        child.send_signal(number)
        assert client.read_to_end() in ("FIN", "RST")
        assert child.wait(BOUND_S) == 0
        assert child.stderr is not None
        [line] = child.stderr.read().splitlines()
        assert "by count-to-100" in line
        assert "stopped" in line


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("pause_s", [0.0, 0.001, 0.003, 0.01])
def test_a_second_signal_does_not_change_the_exit_code(second: signal.Signals, pause_s: float) -> None:
    with serving() as (child, _):
        child.send_signal(signal.SIGTERM)
        threading.Event().wait(pause_s)  # the moment varies on purpose: any must do
        child.send_signal(second)
        assert child.wait(BOUND_S) == 0


def test_every_request_is_a_line_on_stderr() -> None:
    with serving() as (child, url):
        with RawClient(url) as client:
            client.ask(chat("What's 1+1? Answer in one word."))
            client.ask(chat("hello", stream=False))
            client.ask({"messages": []})
        child.terminate()
        assert child.stderr is not None
        lines = [line.partition(" ")[2] for line in child.stderr.read().splitlines()]
    assert len(lines) == 3
    asked = "POST /v1/chat/completions"
    assert lines[0].startswith(f"{asked} (gpt-4o-mini, stream) -> 200 by one-plus-one (first match): complete")
    assert lines[1].startswith(f"{asked} (gpt-4o-mini) -> 200 by no scenario (there are no scenarios for it): complete")
    assert lines[2].startswith(f"{asked} -> 400 (")


def test_a_taken_port_is_one_line_and_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mockserver: cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.endswith("another port, or --port 0 for a free one, would do\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [None, "name: a\nrepyl: b", "[", "\x00"])
def test_an_unreadable_or_wrong_file_is_one_line_and_2(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "file.yaml").write_text(content)
    done = run("serve", "--port", "0", "file.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mockserver: file.yaml:")
    assert done.stderr.count("\n") == 1


def test_a_traceback_is_shown_on_demand_only() -> None:
    assert "Traceback" not in run("serve", "no-such-file.yaml").stderr
    assert "Traceback" in run("serve", "no-such-file.yaml", "--debug").stderr


def test_validate_says_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("scenarios:\n- name: a\n  repyl: b\n- name: c\n  timing: {itl: soon}\n")
    done = run("validate", "file.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == ["file.yaml:3", "file.yaml:5"]
    assert done.stderr == "mockserver: 2 mistakes\n"


def test_schema_prints_a_valid_json_schema() -> None:
    done = run("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_who_stops_reading_the_schema_sees_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "schema"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=BOUND_S)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"mockserver {__version__}\n"


@pytest.mark.parametrize(
    ("command", "taught"),
    [
        ([], ["mockserver demo", "mockserver serve", "--version", "--debug"]),
        (
            ["serve"],
            [
                "mockserver serve chat.yaml more/ --strict  404 for what no scenario matches",
                "--port",
                "--api-key",
                "--model",
                "--strict",
                "--seed",
                "--time-scale",
            ],
        ),
        (["validate"], ["mockserver validate chat.yaml", "Exit codes"]),
        (["schema"], ["mockserver schema > scenarios.schema.json", "yaml-language-server"]),
        (["demo"], ["Exit codes", "pip install openai"]),
    ],
)
def test_help_teaches_by_example(command: list[str], taught: list[str]) -> None:
    done = subprocess.run(
        [*COMMAND, *command, "--help"],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert done.returncode == 0
    for text in taught:
        assert text in done.stdout
