"""`mockserver serve` in this process: what it prints, what it logs, how it ends."""

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mockserver import cli
from mockserver._version import __version__
from mockserver.api import Service
from mockserver.cli.serving import announcement
from mockserver.errors import ScenarioError, StartError
from mockserver.loop import listen
from tests.support import RawClient, chat

pytestmark = pytest.mark.usefixtures("own_process")

Use = Callable[[str], None]


def serve(monkeypatch: pytest.MonkeyPatch, arguments: list[str], use: Use) -> tuple[int, str]:
    """Run the command here, `use` its server (given its base URL) in a thread, end it; its exit code and output."""
    reader, writer = os.pipe()
    shown: list[str] = []

    def drive() -> None:
        try:
            with open(reader) as out:
                while not (line := out.readline()).startswith("export NO_PROXY"):
                    assert line, "it ended before it said where it is"
                    shown.append(line)
                use(shown[1].strip().removeprefix("export OPENAI_BASE_URL="))
                shown.append(line)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=drive)
    with open(writer, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        thread.start()
        # A busy machine would be told of, among the lines that are looked at.
        code = cli.main(["serve", "--port", "0", "--max-lateness", "1h", *arguments])
    thread.join()
    return code, "".join(shown)


def ask(url: str) -> None:
    with RawClient(url) as client:
        assert client.ask(chat("What's 1+1? Answer in one word.", stream=False)).content == "Two."


@pytest.mark.parametrize("more", [[], ["--seed", "-1"]], ids=["plain", "typer"])
def test_it_says_where_it_is_and_logs_each_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    code, shown = serve(monkeypatch, more, ask)
    assert code == 0
    first, url, key, no_proxy = shown.splitlines()
    base_url = url.removeprefix("export OPENAI_BASE_URL=")
    assert base_url.startswith("http://127.0.0.1:")
    assert first == f"# mockserver {__version__} serves {base_url} until Ctrl-C. Paste this where your program runs:"
    assert key == "export OPENAI_API_KEY=test"
    assert no_proxy == 'export NO_PROXY="127.0.0.1,localhost,::1${NO_PROXY:+,$NO_PROXY}"'
    [line] = capsys.readouterr().err.splitlines()
    assert line[8:].startswith(" POST /v1/chat/completions (gpt-4o-mini) -> 200 by one-plus-one (first match")


@pytest.mark.parametrize("level", ["info", "warning"])
def test_what_was_answered_is_not_kept(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    services: list[Service] = []
    meet = Service.meet

    def meet_and_note(service: Service) -> object:
        services.append(service)
        return meet(service)

    def use(url: str) -> None:
        for _ in range(3):
            ask(url)

    monkeypatch.setattr(Service, "meet", meet_and_note)
    serve(monkeypatch, ["--log-level", level], use)
    assert [len(service.journal) for service in services] == [1, 1, 1]


def test_afterwards_nothing_of_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers, threads = list(logging.getLogger().handlers), threading.active_count()
    serve(monkeypatch, [], ask)
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger("mockserver").level == logging.getLogger("mockserver.access").level == logging.NOTSET
    assert threading.active_count() == threads
    assert gc.isenabled()
    # A second signal must not kill a process that only ends now.
    assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


@pytest.mark.parametrize(
    ("level", "lines"),
    [("warning", []), ("info", ["-> 400 (you must"]), ("debug", ["-> 400: you must", "-> 400 (you must"])],
)
def test_the_log_level_says_what_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], level: str, lines: list[str]
) -> None:
    def ask_wrongly(url: str) -> None:
        with RawClient(url) as client:
            assert client.ask({"messages": []}).status == 400

    serve(monkeypatch, ["--log-level", level], ask_wrongly)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(lines)
    assert all(part in line for part, line in zip(lines, said, strict=True))


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_in_an_endpoint_is_one_line_unless_debug_asks_for_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    def ask_for_it(url: str) -> None:
        with RawClient(url) as client:
            assert client.ask(chat(stream=False)).status == 500

    monkeypatch.setattr("mockserver.api.chat.match", fail)
    serve(monkeypatch, ["--log-level", "error", *(["--debug"] if debug else [])], ask_for_it)
    said = capsys.readouterr().err
    assert ("Traceback" in said) is debug
    assert "ZeroDivisionError: a bug" in said
    assert debug or said.count("\n") == 1


def test_options_reach_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{name: filed, reply: from a file, timing: {ttft: 1h}, match: {last_user: hello}}")

    def use(url: str) -> None:
        with RawClient(url) as client:
            assert client.ask(chat(stream=False)).status == 401
            assert client.ask(chat("other", stream=False), authorization="Bearer sk-me").status == 404
            assert client.ask(chat(stream=False), authorization="Bearer sk-me").content == "from a file"
            body = {**chat(stream=False), "model": "unknown"}
            assert client.ask(body, authorization="Bearer sk-me").json["error"]["code"] == "model_not_found"

    arguments = [str(tmp_path), "--api-key", "sk-me", "--model", "gpt-4o-mini", "--strict", "--time-scale", "0"]
    code, shown = serve(monkeypatch, arguments, use)
    assert code == 0
    assert "export OPENAI_API_KEY=sk-me\n" in shown


def test_a_wrong_file_or_a_taken_port_is_told_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nrepyl: b")
    with pytest.raises(ScenarioError, match=r"a\.yaml:2"):
        cli.main(["--debug", "serve", str(tmp_path / "a.yaml")])
    with pytest.raises(ScenarioError, match="No such file"):
        cli.main(["serve", str(tmp_path / "b.yaml"), "--debug"])
    with listen("127.0.0.1", 0) as taken, pytest.raises(StartError, match="another port"):
        cli.main(["serve", "--port", str(taken.getsockname()[1]), "--debug"])


@pytest.mark.parametrize(
    ("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("127.0.0.2", False), ("0.0.0.0", True)]
)
def test_listening_beyond_this_machine_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, warned: bool
) -> None:
    if host == "127.0.0.2" and sys.platform != "linux":
        pytest.skip("only Linux answers on all of 127.0.0.0/8")
    code, _ = serve(monkeypatch, ["--host", host, "--log-level", "error"], ask)
    assert code == 0
    warning = "mockserver: warning: listening on 0.0.0.0, so other machines reach this server, and anybody on them\n"
    assert capsys.readouterr().err == (warning if warned else "")


def test_who_closes_its_output_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    out = open(writer, "w")  # noqa: SIM115 - it cannot be flushed, and so not closed as usual
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["serve", "--port", "0"]) == 1
    out.close()


def test_what_is_printed_is_what_a_shell_reads() -> None:
    script = announcement("http://127.0.0.1:8000", "a key; with $signs") + (
        '\nprintf "%s|%s|%s" "$OPENAI_BASE_URL" "$OPENAI_API_KEY" "$NO_PROXY"'
    )
    for before, after in ({}, ""), ({"NO_PROXY": "internal.example"}, ",internal.example"):
        done = subprocess.run(["sh", "-c", script], env=before, check=True, capture_output=True, text=True)
        assert done.stdout == f"http://127.0.0.1:8000/v1|a key; with $signs|127.0.0.1,localhost,::1{after}"


def test_it_can_be_reached_as_soon_as_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(url: str) -> None:
        host, port = url.removeprefix("http://").removesuffix("/v1").split(":")
        socket.create_connection((host, int(port)), timeout=5).close()

    assert serve(monkeypatch, [], connect)[0] == 0
