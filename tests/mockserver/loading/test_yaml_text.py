"""YAML as it is written: readable, and read back as it was."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mockserver.loading.document import read_document
from mockserver.loading.yaml_text import write_yaml

TRAPS = (
    *(
        "no",
        "yes",
        "on",
        "off",
        "null",
        "~",
        "",
        "true",
        "False",
        "1",
        "007",
        "08",
        "1e3",
        ".5",
        "1.",
        "0x10",
        "1_000",
        "1:30",
    ),
    *(
        "2024-01-01",
        "<<",
        "=",
        "---",
        "...",
        "- a",
        "a: b",
        "a #b",
        "#a",
        " leading",
        "trailing ",
        "\n",
        "a\n",
        "\na",
        "a\n\n",
    ),
    *(
        "a\n b",
        " a\nb",
        "a\n\n\nb\n",
        "a \nb",
        "a\tb",
        "\ta",
        "a\r\nb",
        "\u2028",
        "a\u2028b",
        "\x85",
        "\ufeff",
        "\0",
        "\x7f",
    ),
    *(
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "{a}",
        "[a]",
        "'",
        '"',
        "'\"",
        "\\",
        "\\n",
        "?",
        "? a",
        "-",
        ":",
        "a:",
        "|",
        ">",
    ),
    *("\ufffe", "😀 ü", "x" * 300, "word " * 60),
)
TEXTS = st.sampled_from(TRAPS) | st.text() | st.lists(st.sampled_from(TRAPS)).map("".join)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_back_as_it_was(value: Any) -> None:
    read = read_document(write_yaml(value))
    assert read.problems == ()
    assert read.root is not None
    assert repr(read.root.value) == repr(value)


@pytest.mark.parametrize("trap", TRAPS)
def test_a_text_that_looks_like_something_else_stays_a_text(trap: str) -> None:
    for value in (trap, [trap], {"key": trap}, {trap: 1}, [[trap, trap]]):
        read = read_document(write_yaml(value))
        assert read.root is not None
        assert read.root.value == value


@given(VALUES)
def test_a_reader_of_yaml_1_1_reads_it_alike(value: Any) -> None:
    assert repr(yaml.load(write_yaml(value), Loader=yaml.SafeLoader)) == repr(value)


def test_a_file_is_pleasant_to_read() -> None:
    value = {
        "scenarios": [
            {
                "name": "größe 😀",
                "reply": {"content": "first line\nsecond line\n", "pieces": ["a", "\n", "😀\x07"]},
                "long": "word " * 40,
                "plain": "word" + " word" * 40,
                "empty": {},
                "pauses": [0.02] * 30,
            }
        ]
    }
    assert write_yaml(value) == (
        "scenarios:\n"
        "  - name: größe 😀\n"
        "    reply:\n"
        "      content: |\n"
        "        first line\n"
        "        second line\n"
        '      pieces: [a, "\\n", "😀\\u0007"]\n'
        f"    long: '{'word ' * 40}'\n"
        f"    plain: word{' word' * 40}\n"
        "    empty: {}\n"
        f"    pauses: [{', '.join(['0.02'] * 15)},\n"
        f"      {', '.join(['0.02'] * 15)}]\n"
    )


def test_a_value_that_stands_twice_is_written_twice() -> None:
    same = {"a": [1]}
    assert write_yaml([same, same]) == "- a: [1]\n- a: [1]\n"
