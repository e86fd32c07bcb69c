"""The ready adapters: complete, small, importing nothing that the user does not have; and right, where their consumers are at hand."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mockserver.conformance.adapters import ADAPTERS, FOLDER, Adapter, Environment, find_adapter, make_command
from mockserver.conformance.baseline import read_baseline
from mockserver.conformance.case import ABILITIES, choose_cases, load_cases
from mockserver.conformance.consumer import Program
from mockserver.conformance.run import Options, run_cases
from mockserver.errors import UsageError
from tests import support
from tests.support import read_pins, skip_unless_pinned

BASELINES = Path(__file__).parents[2] / "baselines"
FILES = [adapter for adapter in ADAPTERS.values() if adapter.name != "client"]
PYTHON = [adapter for adapter in FILES if adapter.language == "python"]
NODE = [adapter for adapter in FILES if adapter.language != "python"]

IMPORTED_AS = {
    "autogen-ext": ("autogen_ext", "autogen_core"),
    "haystack-ai": ("haystack",),
    "instructor": ("instructor", "openai", "pydantic"),
    "llama-index-llms-openai-like": ("llama_index",),
    "openai-agents": ("agents", "openai"),
    "pydantic-ai-slim": ("pydantic_ai", "openai"),
    "sseclient-py": ("sseclient",),
}
"""The names that a package is imported by, where they are not its own: with what it cannot be used without."""

HERE = ("client", "openai-python", "openai-python-async", "openai-python-helper", "httpx-sse", "httpx-lines")
"""The consumers that are judged by every case, in each run of the suite."""

COSTLY = "events-100k"
"""The one case that costs the SDK more time than all others together; `make matrix` plays it."""

FEW = ("plain", "sse-crlf", "tool-fragments", "error-object", "status-429", "client-breaks-early")


def is_here(adapter: Adapter) -> bool:
    try:
        make_command(adapter, Environment())
    except UsageError:
        return False
    return True


def skip_without(adapter: Adapter) -> None:
    if not is_here(adapter):
        pytest.skip(f"{adapter.name} is not installed: {adapter.install}")


# The registry


def test_every_file_is_an_adapter_and_every_adapter_has_a_file() -> None:
    files = {path for folder in ("python", "node") for path in (FOLDER / folder).iterdir() if path.is_file()}
    assert {adapter.path for adapter in FILES} == {path for path in files if not path.name.startswith("_")}
    assert ADAPTERS["client"].path.is_file()
    assert len(ADAPTERS) >= 25


@pytest.mark.parametrize("adapter", FILES, ids=lambda adapter: adapter.name)
def test_an_adapter_is_10_to_40_lines_and_begins_with_what_it_drives(adapter: Adapter) -> None:
    lines = adapter.path.read_text(encoding="utf-8").splitlines()
    assert 10 <= len(lines) <= 40
    assert lines[0].startswith(("//", '"""'))


@pytest.mark.parametrize("adapter", PYTHON, ids=lambda adapter: adapter.name)
def test_a_python_adapter_imports_the_standard_library_and_its_consumer_alone(adapter: Adapter) -> None:
    tree = ast.parse(adapter.path.read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {name for package in adapter.distributions for name in IMPORTED_AS.get(package, (package.replace("-", "_"),))}
    imported = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    assert imported
    assert imported <= own
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert "ask" in defined


@pytest.mark.parametrize("adapter", NODE, ids=lambda adapter: adapter.name)
def test_a_node_adapter_imports_its_consumer_alone(adapter: Adapter) -> None:
    source = adapter.path.read_text(encoding="utf-8")
    imported = re.findall(r"^import .*? from '(.*)';$", source, re.MULTILINE)
    assert all(any(name == own or name.startswith(f"{own}/") for own in adapter.packages) for name in imported)
    assert bool(imported) == (adapter.language == "node")
    assert "async function ask(line, outcome)" in source


@pytest.mark.parametrize("path", sorted((FOLDER / "node").glob("*.mjs")), ids=lambda path: path.stem)
def test_node_reads_the_source(path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node")
    done = subprocess.run(["node", "--check", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("adapter", FILES, ids=lambda adapter: adapter.name)
def test_what_a_consumer_lacks_is_told_in_the_words_of_the_suite(adapter: Adapter) -> None:
    source = adapter.path.read_text(encoding="utf-8")
    found = re.search(r"^(?:const )?lacks = [\[(](.*?)[\])]", source, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    assert found
    lacks = re.findall(r"[\"'](\w+)[\"']", found[1])
    assert set(lacks) <= ABILITIES.keys()
    assert lacks == sorted(lacks)


def test_the_install_command_quotes_what_a_shell_would_take_apart() -> None:
    assert find_adapter("pydantic-ai").install == "pip install 'pydantic-ai-slim[openai]'"
    assert find_adapter("ai-sdk").install == "npm install ai @ai-sdk/openai-compatible"
    assert find_adapter("browser-fetch").install == "apt install nodejs chromium"
    assert find_adapter("autogen-ext").distributions == ("autogen-ext",)


# What is missing


def write_script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_an_unknown_consumer_is_met_with_a_near_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'openai-python'"):
        find_adapter("openai-pyton")
    with pytest.raises(UsageError, match="--list-consumers"):
        find_adapter("zzz")


def test_a_missing_python_package_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    python = write_script(tmp_path / "python", """echo '[[3, 12], {"groq": null}]'""")
    with pytest.raises(UsageError, match=rf"groq cannot be found by '{python}': {python} -m pip install groq$"):
        make_command(find_adapter("groq"), Environment(python=python))


def test_a_python_too_old_or_missing_is_told(tmp_path: Path) -> None:
    old = write_script(tmp_path / "old", """echo '[[3, 9], {"groq": "1.0"}]'""")
    with pytest.raises(UsageError, match=r"3\.11 or newer, .* is 3\.9; say which: --python"):
        make_command(find_adapter("groq"), Environment(python=old))
    with pytest.raises(UsageError, match=r"cannot be run as a Python: .*--python"):
        make_command(find_adapter("groq"), Environment(python=str(tmp_path / "none")))


def test_a_missing_npm_package_is_looked_for_in_the_folder_and_above(tmp_path: Path) -> None:
    node = write_script(tmp_path / "node", "echo v24.1.0")
    inner = tmp_path / "app" / "src"
    inner.mkdir(parents=True)
    with pytest.raises(UsageError, match=rf"openai cannot be found from {inner}: npm install openai$"):
        make_command(find_adapter("openai-node"), Environment(node=node, folder=inner))
    package = tmp_path / "app" / "node_modules" / "openai" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text("{}")
    command = make_command(find_adapter("openai-node"), Environment(node=node, folder=inner))
    assert command[:3] == [node, "--input-type=module", "--eval"]
    assert command[4:] == ["--", "openai-node", "openai"]
    assert command[3].startswith("// openai (npm)")


def test_a_node_too_old_or_missing_is_told(tmp_path: Path) -> None:
    old = write_script(tmp_path / "node", "echo v18.20.1")
    with pytest.raises(UsageError, match=r"Node 20 or newer, .* is v18\.20\.1; say which: --node"):
        make_command(find_adapter("ai-sdk"), Environment(node=old))
    with pytest.raises(UsageError, match="cannot be run as Node"):
        make_command(find_adapter("ai-sdk"), Environment(node=str(tmp_path / "none")))


def test_a_browser_is_found_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = write_script(tmp_path / "node", "echo v20.0.0")
    own = write_script(tmp_path / "my-chromium", "exit")
    adapter = find_adapter("browser-fetch")
    assert make_command(adapter, Environment(node=node, browser=own))[-2:] == ["browser-fetch", own]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"expected a Chromium, tried chromium, .*--browser PATH"):
        make_command(adapter, Environment(node=node))
    found = write_script(tmp_path / "google-chrome", "exit")
    assert make_command(adapter, Environment(node=node))[-1] == found


# The tolerant loops: both read the same chunks, and both as the protocol says

TOOL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}


def chunk(delta: Any, finish: str | None = None, index: int | None = 0, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def piece(text: str, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"arguments": text}, **more}]}


def call(id: str | None, name: str, text: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "name": name, "arguments": text}


TOLD: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "text": (
        [chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, "stop")],
        {"content": "ab", "finish_reason": "stop"},
    ),
    "usage": (
        [chunk({"content": "a"}, usage=None), {"choices": [], "usage": {"total_tokens": 3}}],
        {"content": "a", "usage": {"total_tokens": 3}},
    ),
    "nulls": ([{"choices": None}, chunk(None, "stop"), chunk({"content": None, "tool_calls": None}), {}], {"finish_reason": "stop"}),
    "refusal": ([chunk({"refusal": "n"}), chunk({"refusal": "o"})], {"refusal": "no"}),
    "reasoning": (
        [chunk({"reasoning": "a"}), chunk({"reasoning_content": "b"}), chunk({"reasoning": "c", "reasoning_content": "c"})],
        {"reasoning": "abc"},
    ),
    "tools by index": (
        [
            chunk({"tool_calls": [{"index": 0, **TOOL}]}),
            chunk({"tool_calls": [{"index": 1, **TOOL, "id": "c2"}]}),
            chunk(piece("x", index=0)),
            chunk(piece("y", index=1)),
            chunk(piece("z", index=0)),
        ],
        {"tool_calls": [call("c1", "f", "xz"), call("c2", "f", "y")]},
    ),
    "tools without an index": (
        [chunk({"tool_calls": [TOOL]}), chunk(piece("x")), chunk({"tool_calls": [{**TOOL, "id": "c2"}]}), chunk(piece("y"))],
        {"tool_calls": [call("c1", "f", "x"), call("c2", "f", "y")]},
    ),
    "tools that are all the first": (
        [chunk({"tool_calls": [{"index": 0, **TOOL}, {"index": 0, **TOOL, "id": "c2"}]})],
        {"tool_calls": [call("c1", "f", ""), call("c2", "f", "")]},
    ),
    "ids and names repeated": (
        [chunk({"tool_calls": [{"index": 0, **TOOL}]}), chunk({"tool_calls": [{"index": 0, **TOOL}]}), chunk(piece("x", index=0))],
        {"tool_calls": [call("c1", "f", "x")]},
    ),
    "an id that comes late": (
        [chunk(piece("x", index=0)), chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f"}}]})],
        {"tool_calls": [call("c1", "f", "x")]},
    ),
    "custom tools": (
        [
            chunk({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "run", "input": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "custom": {"input": "1+1"}}]}),
        ],
        {"tool_calls": [{"id": "c", "type": "custom", "name": "run", "input": "1+1"}]},
    ),
    "the deprecated call": (
        [chunk({"function_call": {"name": "f", "arguments": ""}}), chunk({"function_call": {"arguments": "{}"}})],
        {"tool_calls": [call(None, "f", "{}")]},
    ),
    "message in place of delta": ([{"choices": [{"message": {"content": "a"}}]}], {"content": "a"}),
    "text that is none": ([chunk({"content": "a"}), chunk({"content": ["b"]})], {"content": "a", "error": "TypeError"}),
    "arguments that are no text": ([chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {}}}]}),
                                    chunk(piece("", index=0)), chunk({"tool_calls": [{"index": 0, "function": {"arguments": [1]}}]})],
                                   {"error": "TypeError"}),
    "several choices": (
        [chunk({"content": "b"}, index=1), chunk({"content": "a"}, "stop"), chunk({}, "length", 1)],
        {"choices": [{"index": 0, "content": "a", "finish_reason": "stop"}, {"index": 1, "content": "b", "finish_reason": "length"}]},
    ),
}  # fmt: skip
"""Chunks, and what of the outcome must have which value; what is not named must be empty."""

PYTHON_STUB = """
LACKS = ("retries", "n")

def ask(case, outcome):
    for chunk in outcome.each(case.request["chunks"]):
        print("what a library prints")
        outcome.add_chunk(chunk)
"""
ASYNC_STUB = """
LACKS = ("retries", "n")

async def chunks(case):
    for chunk in case.request["chunks"]:
        yield chunk

async def ask(case, outcome):
    async for chunk in outcome.each_async(chunks(case)):
        outcome.add_chunk(chunk)
"""
NODE_STUB = """
const lacks = ['retries', 'n'];
const version = '1';

async function ask(line, outcome) {
  for await (const chunk of outcome.each(line.request.chunks)) {
    console.log('what a library prints');
    outcome.addChunk(chunk);
  }
}
"""


def stub_command(kind: str, folder: Path) -> list[str]:
    """The command of an adapter that reads its chunks from the request."""
    if kind == "node":
        if shutil.which("node") is None:
            pytest.skip("no node")
        loop = (FOLDER / "node" / "_loop.mjs").read_text(encoding="utf-8")
        return ["node", "--input-type=module", "--eval", f"{NODE_STUB}\n{loop}", "--", "stub"]
    path = folder / "stub.py"
    path.write_text(ASYNC_STUB if kind == "async" else PYTHON_STUB, encoding="utf-8")
    return [sys.executable, "-P", str(FOLDER / "python" / "_loop.py"), str(path), "pytest"]


def ask_stub(kind: str, folder: Path, asked: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What an adapter says of itself, and its answers to lines."""
    lines = [{"case": str(k), "base_url": "", "timeout_s": 1, "retries": 0, "leave_after_chunks": None, "read_pause_ms": 0,
              **line} for k, line in enumerate(asked)]  # fmt: skip
    done = subprocess.run(
        stub_command(kind, folder), input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    hello, *answers = (json.loads(line) for line in done.stdout.splitlines())
    return hello, answers


@pytest.mark.parametrize("kind", ["python", "node"])
def test_the_tolerant_loops_read_what_providers_send(kind: str, tmp_path: Path) -> None:
    hello, answers = ask_stub(kind, tmp_path, [{"request": {"chunks": chunks}} for chunks, _ in TOLD.values()])
    assert hello["consumer"] == "stub"
    assert hello["lacks"] == ["retries", "n"]
    assert hello["version"] == ("1" if kind == "node" else importlib.metadata.version("pytest"))
    got = {name: without_empty(answer) for name, answer in zip(TOLD, answers, strict=True)}
    assert got == {name: wanted for name, (_, wanted) in TOLD.items()}


def without_empty(answer: dict[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in answer.items() if value and key not in ("case", "index")}
    if "error" in told:
        told["error"] = told["error"]["type"]
        told.pop("tool_calls", None)
    if "choices" in told:
        told["choices"] = [{"index": choice["index"], **without_empty(choice)} for choice in told["choices"]]
    return told


@pytest.mark.parametrize("kind", ["python", "async", "node"])
def test_an_adapter_leaves_and_pauses_as_the_case_asks(kind: str, tmp_path: Path) -> None:
    chunks = [chunk({"content": "ab"[k % 2]}) for k in range(6)]
    left = {"leave_after_chunks": 2, "request": {"chunks": chunks}}
    slow = {"read_pause_ms": 30, "request": {"chunks": chunks}}
    _, answers = ask_stub(kind, tmp_path, [left, slow])
    first, *deltas, last = answers
    assert first["content"] == "ab"
    assert first["error"] is None
    assert last["content"] == "ababab"
    assert deltas, "text is told as it comes"
    assert "ababab".startswith("".join(delta["delta"] for delta in deltas))


# For real


@pytest.mark.parametrize(
    "name", [adapter.name for adapter in FILES if adapter.language == "python" and adapter.name not in HERE]
)
def test_an_adapter_reads_a_few_cases_for_real(name: str) -> None:
    adapter = find_adapter(name)
    if not is_here(adapter):
        pytest.skip("not installed: make matrix")
    run = run_cases(make_command(adapter, Environment()), choose_cases(load_cases(), FEW))
    assert [result.case.id for result in run.results if result.verdict.name not in ("pass", "skip")] == []


def test_a_page_of_chromium_reads_a_few_cases() -> None:
    skip_without(find_adapter("browser-fetch"))
    command = make_command(find_adapter("browser-fetch"), Environment())
    cases = choose_cases(load_cases(), ("plain", "sse-crlf", "error-object", "status-429", "cut-rst", "content-array"))
    # Chromium makes sockets there, whose paths have to be short.
    with tempfile.TemporaryDirectory() as folder:
        run = run_cases(command, cases, Options(env={"TMPDIR": folder}))
        left_behind = list(Path(folder).glob("mockserver-*"))
    assert [result.verdict.name for result in run.results] == ["pass"] * len(cases)
    assert re.fullmatch(r"\d+(\.\d+)+", run.consumer.version)
    assert left_behind == [], "the browser's profile is left behind"


def test_a_browser_that_ends_at_once_is_told(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no node")
    browser = write_script(tmp_path / "chromium", "exit 7")
    program = Program(make_command(find_adapter("browser-fetch"), Environment(browser=browser)))
    try:
        with pytest.raises(UsageError, match=r"chromium ended, code 7|EPIPE|ECONNRESET"):
            program.start()
    finally:
        program.stop()


def test_an_adapter_named_like_its_consumer_does_not_shadow_it(tmp_path: Path) -> None:
    path = tmp_path / "openai.py"
    path.write_text((FOLDER / "python" / "openai-python.py").read_text(encoding="utf-8"), encoding="utf-8")
    loop = FOLDER / "python" / "_loop.py"
    program = Program([sys.executable, "-P", str(loop), str(path), "openai"])
    try:
        assert program.start().version == importlib.metadata.version("openai")
    finally:
        program.stop()


# The whole suite, against what is known


@pytest.mark.parametrize("name", HERE)
def test_the_failures_of_a_consumer_are_the_known_ones(name: str) -> None:
    adapter = find_adapter(name)
    path = BASELINES / f"{name}.txt"
    judged = path.read_text(encoding="utf-8").splitlines()[0].split()[-1]
    installed = importlib.metadata.version(adapter.distributions[0])
    if name != "client" and installed != judged:
        skip_unless_pinned(f"{path.name} is of {name} {judged}, here is {installed}")
    command = [sys.executable, "-m", "mockserver", "check", "--consumer", name, "--strict", "--baseline", str(path)]
    done = run_command([*command, "--skip", COSTLY, "--jobs", "2", "--time-limit", "90"])
    if done.returncode == 1:
        # Time is the machine's: what departs while others use it too is played once more, alone.
        departed = re.findall(r"^(?:(?:fail|weak|hang|crash) +(\S+)|(\S+) passes now)", done.stdout, re.MULTILINE)
        again = [part for names in departed for part in ("--run", "".join(names))]
        assert again, done.stdout + done.stderr
        done = run_command([*command, *again])
    assert done.returncode == 0, done.stdout + done.stderr


def run_command(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=540, check=False, env=environment)


@pytest.mark.parametrize(
    ("ci", "version", "oldest", "outcome"),
    [
        ("true", "3.0", "1.0", pytest.fail.Exception),
        ("true", "3.0", "3.0", pytest.skip.Exception),
        ("", "3.0", "1.0", pytest.skip.Exception),
    ],
)
def test_what_ci_pins_and_does_not_have_fails_there_and_is_skipped_elsewhere(
    ci: str, version: str, oldest: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    monkeypatch.setattr(support, "read_pins", lambda name: {"openai": oldest})
    with pytest.raises(outcome, match="of another version"):
        skip_unless_pinned("a baseline of another version")


def test_every_baseline_is_of_the_versions_that_ci_pins() -> None:
    pins = read_pins()
    for name in HERE[1:]:
        judged = (BASELINES / f"{name}.txt").read_text(encoding="utf-8").splitlines()[0].split()[-1]
        assert judged == pins[find_adapter(name).distributions[0]], name


@pytest.mark.parametrize("path", sorted(BASELINES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_baseline_names_cases_that_there_are_and_says_why_of_each(path: Path) -> None:
    known = read_baseline(path)
    assert known.keys() <= {case.id for case in load_cases()}
    assert all(known.values())


def test_a_known_failure_that_is_mended_fails_the_run(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text("plain  # fail: it was\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mockserver",
        "check",
        "--consumer",
        "client",
        "--run",
        "plain",
        "--baseline",
        str(path),
    ]
    done = run_command(command)
    assert done.returncode == 1
    assert "plain passes now: take it out of the baseline" in done.stdout
