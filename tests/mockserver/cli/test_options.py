"""The quick way to read a command line reads what typer reads, or leaves it to typer."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.cli.app import run_typer
from mockserver.cli.options import LogLevel, ServeOptions, leave_on_signals, read_plainly
from mockserver.loop import SIGNALS

FLAGS = [
    "--host",
    "--port",
    "--api-key",
    "--model",
    "--seed",
    "--time-scale",
    "--tokenizer",
    "--max-lateness",
    "--log-level",
]
NUMBERS = ["0", "1", "-1", "65535", "65536", "1_0", "٣", "0x1", "1.5", "1.", ".5", ".", "1e3", "nan", "inf", " 1", "1 "]
TEXTS = [
    "",
    "-",
    "--",
    "a.yaml",
    "localhost",
    "x",
    "=",
    "a=b",
    "info",
    "debug",
    "INFO",
    "--strict",
    "--help",
    "--debugging",
]
WORDS = st.sampled_from([*NUMBERS, *TEXTS])
PLAIN_VALUES = {
    "--host": st.sampled_from(["localhost", "::1", "0.0.0.0"]),
    "--port": st.integers(0, 65535).map(str),
    "--api-key": st.text("abc-", min_size=1).filter(lambda key: not key.startswith("-")),
    "--model": st.sampled_from(["gpt-4o", "org/model", "a=b"]),
    "--seed": st.integers(0, 10**30).map(str),
    "--time-scale": st.sampled_from(["0", "0.5", "10", "1.25"]),
    "--tokenizer": st.sampled_from(["approximate", "tiktoken:x/o200k_base.tiktoken"]),
    "--max-lateness": st.sampled_from(["50ms", "0.1", "1s"]),
    "--log-level": st.sampled_from(LogLevel).map(str),
}


def read_with_typer(arguments: list[str]) -> ServeOptions | None:
    """What typer reads; None where it refuses, or explains."""
    seen: list[ServeOptions] = []

    def run_server(options: ServeOptions, debug: bool) -> int:
        seen.append(options)
        return 0

    with (
        mock.patch("mockserver.cli.serving.run_server", run_server),
        mock.patch("mockserver.cli.serve.leave_on_signals"),
        mock.patch("mockserver.cli.app.tell"),
        mock.patch("builtins.print"),
    ):
        run_typer(["serve", *arguments], debug=False)
    return seen[0] if seen else None


@st.composite
def plain_arguments(draw: st.DrawFn) -> list[str]:
    """A command line without a mistake."""

    def words() -> Iterator[str]:
        for flag in draw(st.lists(st.sampled_from([*FLAGS, "--strict", "file"]), max_size=6)):
            if flag in PLAIN_VALUES:
                value = draw(PLAIN_VALUES[flag])
                yield from [f"{flag}={value}"] if draw(st.booleans()) else [flag, value]
            else:
                yield flag

    return list(words())


@given(plain_arguments())
def test_a_command_line_without_a_mistake_is_read_without_typer_as_typer_reads_it(arguments: list[str]) -> None:
    plain = read_plainly(arguments)
    assert plain is not None
    assert plain == read_with_typer(arguments)


@given(
    st.lists(
        st.one_of(WORDS, st.sampled_from(FLAGS), st.builds("{}={}".format, st.sampled_from(FLAGS), WORDS)), max_size=5
    )
)
def test_any_command_line_is_read_as_typer_reads_it_or_left_to_typer(arguments: list[str]) -> None:
    plain = read_plainly(arguments)
    assert plain is None or plain == read_with_typer(arguments)


def test_nothing_said_is_the_defaults() -> None:
    assert read_plainly([]) == read_with_typer([]) == ServeOptions()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["--pot", "1"], ["--port"], ["--seed", "-1"], ["--", "-x.yaml"]]
)
def test_what_is_not_plain_is_left_to_typer(arguments: list[str]) -> None:
    assert read_plainly(arguments) is None


def test_the_quick_way_imports_no_typer() -> None:
    code = (
        "import sys; from mockserver.cli import options; options.read_plainly(['--port', '0']); "
        "print(*{'typer', 'rich', 'click'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == []


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("number", SIGNALS)
def test_before_the_loop_runs_a_signal_ends_the_process_with_0(number: signal.Signals) -> None:
    leave_on_signals()
    with pytest.raises(SystemExit) as left:
        os.kill(os.getpid(), number)
    assert left.value.code == 0
