"""The ready adapters: small programs that drive well-known consumers over the consumer protocol, in the user's own environment.

An adapter is one file in `python/` or `node/`, the documentation of how its consumer is used. It may import nothing of ours, so
the loop that it needs stands beside it, in `_loop.py` and `_loop.mjs`, and is run by the same program:

- Python: `python -P _loop.py ADAPTER`; without -P a file named groq.py would stand in the way of the groq that it imports.
- Node: the sources are handed over, `node --input-type=module --eval SOURCE`, because what they import is then looked for from
  the folder that the program is started in, the user's.
- A browser: a Node program that drives a page of headless Chromium.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mockserver.errors import UsageError

FOLDER = Path(__file__).parent

Language = Literal["python", "node", "browser"]

_PROBE = """
import importlib.metadata, json, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print(json.dumps([sys.version_info[:2], {name: version(name) for name in sys.argv[1:]}]))
"""
_PROBE_BOUND_S = 60.0
_OLDEST_PYTHON = (3, 11)
_OLDEST_NODE = 20
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A consumer that can be driven without writing a program for it.

    `packages` are what pip or npm is to install, the consumer itself first.
    """

    name: str
    language: Language
    packages: tuple[str, ...]
    says: str

    @property
    def path(self) -> Path:
        """The file of the adapter; that of our own client is its program."""
        if self.name == "client":
            return FOLDER.parents[2] / "client" / "consumer.py"
        return FOLDER / ("python" if self.language == "python" else "node") / f"{self.name}{_SUFFIX[self.language]}"

    @property
    def distributions(self) -> tuple[str, ...]:
        """The packages without the extras that are asked of them."""
        return tuple(package.partition("[")[0] for package in self.packages)

    @property
    def install(self) -> str:
        """The command that installs what is needed; for a browser, Debian's."""
        if self.language == "browser":
            return "apt install nodejs chromium"
        told = " ".join(f"'{package}'" if "[" in package else package for package in self.packages)
        return f"pip install {told}" if self.language == "python" else f"npm install {told}"


_SUFFIX = {"python": ".py", "node": ".mjs", "browser": ".mjs"}


def _py(name: str, packages: str, says: str) -> Adapter:
    return Adapter(name, "python", tuple(packages.split()), says)


def _js(name: str, packages: str, says: str) -> Adapter:
    return Adapter(name, "node", tuple(packages.split()), says)


ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        _py("client", "openai-mockserver", "the client that comes with this package"),
        _py("openai-python", "openai", "create(stream=True) in a loop"),
        _py("openai-python-helper", "openai", "chat.completions.stream(), which adds up by itself"),
        _py("openai-python-async", "openai", "AsyncOpenAI, create(stream=True) in a loop"),
        _py("groq", "groq", "create(stream=True) in a loop"),
        _py("together", "together", "create(stream=True) in a loop"),
        _py("huggingface-hub", "huggingface-hub", "InferenceClient, create(stream=True) in a loop"),
        _py("httpx-sse", "httpx-sse httpx", "connect_sse with httpx"),
        _py("sseclient-py", "sseclient-py requests", "SSEClient with requests"),
        _py("requests-lines", "requests", "a loop by hand over iter_lines of requests"),
        _py("httpx-lines", "httpx", "a loop by hand over iter_lines of httpx"),
        _py("aiohttp-lines", "aiohttp", "a loop by hand over the lines of aiohttp"),
        _py("litellm", "litellm mcp", "completion(stream=True) in a loop"),
        _py("langchain-openai", "langchain-openai", "ChatOpenAI.stream, chunks added up"),
        _py("pydantic-ai", "pydantic-ai-slim[openai]", "direct.model_request_stream"),
        _py("llama-index", "llama-index-llms-openai-like", "OpenAILike.stream_chat"),
        _py("openai-agents", "openai-agents", "Runner.run_streamed, chat-completions model"),
        _py("haystack", "haystack-ai", "OpenAIChatGenerator with a streaming callback"),
        _py("smolagents", "smolagents[openai]", "OpenAIModel.generate_stream"),
        _py("autogen-ext", "autogen-ext[openai]", "OpenAIChatCompletionClient.create_stream"),
        _py("agno", "agno openai", "OpenAIChat.process_response_stream"),
        _py("instructor", "instructor", "create_partial, one tool"),
        _js("openai-node", "openai", "create({stream: true}) in a loop"),
        _js("openai-node-helper", "openai", "chat.completions.stream(), which adds up by itself"),
        _js("ai-sdk", "ai @ai-sdk/openai-compatible", "streamText, its fullStream"),
        _js("langchain-node", "@langchain/openai @langchain/core", "ChatOpenAI.stream, chunks added up"),
        _js("openai-agents-node", "@openai/agents openai zod", "run with stream, chat-completions model"),
        _js("eventsource-parser", "eventsource-parser", "EventSourceParserStream over fetch"),
        Adapter("browser-fetch", "browser", (), "a loop by hand over fetch, in a page of headless Chromium"),
    )
}
"""Every ready adapter by its name."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a consumer is found: the programs that run it, and the folder whose node_modules hold it."""

    python: str = sys.executable
    node: str = "node"
    browser: str | None = None
    folder: Path = Path()


def find_adapter(name: str) -> Adapter:
    """The adapter of a name. Raises `UsageError`."""
    if name in ADAPTERS:
        return ADAPTERS[name]
    near = difflib.get_close_matches(name, ADAPTERS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`mockserver check --list-consumers` shows them all"
    raise UsageError(f"there is no adapter for a consumer {name!r}; {hint}")


def make_command(adapter: Adapter, environment: Environment) -> list[str]:
    """The command that runs an adapter. Raises `UsageError` if its consumer is not installed, saying how to install it."""
    if adapter.name == "client":
        return [sys.executable, "-P", "-m", "client", "--consumer"]
    if adapter.language == "python":
        _check_python(adapter, environment.python)
        return [
            environment.python,
            "-P",
            str(FOLDER / "python" / "_loop.py"),
            str(adapter.path),
            adapter.distributions[0],
        ]
    _check_node(environment.node)
    if adapter.language == "node":
        _check_packages(adapter, environment)
        parts, argument = [adapter.path], adapter.packages[0]
    else:
        parts, argument = [FOLDER / "node" / "_chromium.mjs", adapter.path], _find_browser(environment.browser)
    source = "\n".join(part.read_text(encoding="utf-8") for part in (*parts, FOLDER / "node" / "_loop.mjs"))
    return [environment.node, "--input-type=module", "--eval", source, "--", adapter.name, argument]


def _check_python(adapter: Adapter, python: str) -> None:
    told = _ask([python, "-c", _PROBE, *adapter.distributions], "a Python", "--python PATH")
    version, found = json.loads(told)
    if tuple(version) < _OLDEST_PYTHON:
        raise UsageError(
            f"adapters need Python 3.11 or newer, {python!r} is {version[0]}.{version[1]}; say which: --python PATH"
        )
    missing = [name for name, installed in found.items() if installed is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} cannot be found by {python!r}: {python} -m {adapter.install}")


def _check_node(node: str) -> None:
    told = _ask([node, "--version"], "Node", "--node PATH").strip()
    major = told.removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < _OLDEST_NODE:
        raise UsageError(f"adapters need Node {_OLDEST_NODE} or newer, {node!r} is {told}; say which: --node PATH")


def _check_packages(adapter: Adapter, environment: Environment) -> None:
    folder = environment.folder.resolve()
    missing = [package for package in adapter.packages if not _holds(folder, package)]
    if missing:
        raise UsageError(f"{', '.join(missing)} cannot be found from {folder}: {adapter.install}")


def _holds(folder: Path, package: str) -> bool:
    return any((place / "node_modules" / package / "package.json").is_file() for place in (folder, *folder.parents))


def _find_browser(given: str | None) -> str:
    names: Iterable[str] = (given,) if given else _BROWSERS
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise UsageError(f"expected a Chromium, tried {', '.join(names)}; say which: --browser PATH")


def _ask(command: list[str], what: str, option: str) -> str:
    """What a program prints. Raises `UsageError` if it cannot be run."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_BOUND_S, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"{command[0]!r} cannot be run as {what}: {error}; say which: {option}") from error
    return done.stdout
