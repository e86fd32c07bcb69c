"""Every code block of README.md is run, and what its tables say is held to the code."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mockserver import MockServer
from mockserver.cli.app import COMMANDS
from mockserver.reply import Choice, Reply
from mockserver.scenario import Scenario
from tests.support import RawClient, chat

openai = pytest.importorskip("openai")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BOUND_S = 60.0


class Block(NamedTuple):
    """A fenced block: its line in the file, its language, its text."""

    line: int
    language: str
    text: str


BLOCKS = [
    Block(README.count("\n", 0, found.start()) + 1, found[1], found[2])
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
]


def blocks(*languages: str) -> list[Any]:
    return [pytest.param(block.text, id=f"line-{block.line}") for block in BLOCKS if block.language in languages]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture(autouse=True)
def environment(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader of README has pasted where the program runs."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.chdir(ROOT)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"bash", "python", "yaml"}
    assert README.count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize("text", blocks("python"))
def test_python_blocks_run(text: str, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    if "def test_" in text:
        pytester.makepyfile(text)
        plugins = ("-p", "no:mockserver", "-p", "mockserver.pytest_plugin", "-p", "no:hypothesispytest")
        outcomes = pytester.runpytest_inprocess(*plugins).parseoutcomes()
        assert outcomes.keys() == {"passed"}
        assert outcomes["passed"] == text.count("def test_") or "stream_case" in text
    else:
        exec(compile(text, "README.md", "exec"), {"__name__": "__main__"})
        assert "assert" in text or capsys.readouterr().out == "Two."


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_blocks_are_scenario_files_that_work(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scenarios.yaml"
    file.write_text(text)
    names = [scenario["name"] for scenario in yaml.safe_load(text)["scenarios"]]
    with MockServer(file, time_scale=0) as server, RawClient(server) as client:
        for name in names:
            first = server.scenarios[[scenario.name for scenario in server.scenarios].index(name)].turn(0)
            answer = client.ask(chat(), x_mock_scenario=name)
            assert answer.status == (first.error.status if first.error else 200)


def test_the_file_that_readme_shows_is_the_one_it_serves() -> None:
    [shown] = [block.text for block in BLOCKS if block.language == "yaml"]
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "fixtures" / "first.yaml").read_text())


def commands(text: str) -> list[str]:
    """The commands of a block, each with the lines that belong to it."""
    found: list[str] = []
    for line in text.splitlines():
        if found and found[-1].count("'") % 2:
            found[-1] += f"\n{line}"
        else:
            found.append(re.sub(r"\s+#.*", "", line))
    return found


@pytest.mark.parametrize("text", blocks("bash"))
def test_bash_blocks_run(text: str) -> None:
    for command in commands(text):
        program, *_ = command.split()
        if program == "make":  # the suite cannot run itself; what make would do is asked for
            assert re.fullmatch(r"make [\w-]+", command)
            command = command.replace("make", "make --dry-run", 1)
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
        if command.startswith("mockserver serve"):
            run_server(command)
        else:
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=BOUND_S)
            assert done.returncode == 0, done.stderr
            assert program != "curl" or done.stdout.endswith("data: [DONE]\n\n")


def run_server(command: str) -> None:
    """Start a server, on a free port whatever it says, ask it once and end it."""
    with ExitStack() as stack:
        child = stack.enter_context(
            subprocess.Popen(
                [*command.split(), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
        stack.callback(child.wait)
        stack.callback(child.terminate)
        watch = threading.Timer(BOUND_S, child.kill)
        stack.callback(watch.join)
        stack.callback(watch.cancel)
        watch.start()
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(4)]
        with RawClient(lines[1].removeprefix("export OPENAI_BASE_URL=").strip()) as client:
            assert client.ask(chat()).status == 200


# The tables


def table(title: str) -> list[list[str]]:
    """The rows of the first table under a title, cell by cell, without the head."""
    rows = README.split(f"\n## {title}\n")[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("|")][2:]


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"fault": "truncate", "at": {"before_event": 5}}, "Yes, delete it"),
    ({"fault": "error_event", "at": {"before_event": 5}, "shape": "flat"}, "Yes, delete it"),
    ({"fault": "other_body"}, ""),
]


@pytest.mark.parametrize(("fault", "seen"), FAULTS, ids=[fault["fault"] for fault, _ in FAULTS])
def test_the_sdks_loop_raises_nothing_at_all_that_the_first_table_says(fault: dict[str, Any], seen: str) -> None:
    with MockServer() as server:
        server.reply("Yes, delete it only if there is a backup.", delivery={"faults": [fault]})
        with openai.OpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:
            messages: Any = [{"role": "user", "content": "May I delete it?"}]
            stream = client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == seen
    assert len(table("Why")) == len(FAULTS)


def test_the_table_of_commands_is_that_of_the_command() -> None:
    assert [row[0] for row in table("The command line")] == [f"`mockserver {name}`" for name in COMMANDS]


def test_the_table_of_what_a_stream_contains_names_every_field_of_a_reply() -> None:
    words = set(re.findall(r"`(\w+)", " ".join(row[2] for row in table("What a stream can contain"))))
    fields = {*Choice.__struct_fields__, *Reply.__struct_fields__}
    assert words - {"error", "type"} == fields
    assert "error" in Scenario.__struct_fields__
