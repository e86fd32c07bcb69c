"""Documents: YAML and JSON as scenario files are written, their traps, and what is refused with its line."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mockserver.loading import document, tree, yaml_text
from mockserver.loading.document import Document, read_document

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read_value(text: str, file: str | None = None) -> Any:
    read = read_document(text, file)
    assert read.problems == ()
    assert read.root is not None
    return read.root.value


def read_problems(text: str, file: str | None = "f.yaml") -> list[str]:
    return [str(problem) for problem in read_document(text, file).problems]


@pytest.fixture(params=["libyaml", "PyYAML"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml_text, "_LOADER", yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader)


_TAG = "has no meaning here (leave it out, or quote the text that begins with it)"
_TWICE = "the key was given before, on line"

both_parsers = pytest.mark.usefixtures("_either_parser")


@both_parsers
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no\nno: 1:30\nb: 2024-01-01", {"a": "no", "no": "1:30", "b": "2024-01-01"}),
        ("a: 'null'\nb: \"1\"\nc: !!str 1\nd: ! 2", {"a": "null", "b": "1", "c": "1", "d": "2"}),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", {"a": "x\ny\n", "b": "x y\n"}),
        ("[1, 2.5, true, ~, x]", [1, 2.5, True, None, "x"]),
        ("\ufeffa: 1", {"a": 1}),
        ("--- # one document\na: \r\n...\n", {"a": None}),
        ("a: !!map {}\nb: !!seq []", {"a": {}, "b": []}),
        ('a: "\\0\\u2028\\U0001F600"', {"a": "\0\u2028😀"}),
    ],
)
def test_yaml_is_read_as_it_is_meant(text: str, value: object) -> None:
    assert read_value(text) == value


@both_parsers
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {p: 1, q: 2}\nb: *x", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}}),
        ("a: &x 1\nb: [*x, *x]", {"a": 1, "b": [1, 1]}),
        ("&k a: 1\nb: *k", {"a": 1, "b": "a"}),
        ("a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}", {"a": {"p": 1, "q": 2}, "b": {"q": 3, "p": 1}}),
        ("a: {<<: [{p: 1}, {p: 2, q: 3}]}", {"a": {"p": 1, "q": 3}}),
        ('a: {"<<": 1}\nb: <<', {"a": {"<<": 1}, "b": "<<"}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    ],
)
def test_aliases_and_merge_keys_bring_what_they_name(text: str, value: object) -> None:
    assert read_value(text) == value


@both_parsers
@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\nb:\n  c: 2\n  c: 3\n", [f"f.yaml:4: b.c: {_TWICE} 3 (keep one of them)"]),
        ("a: 1\na: 2\na: 3", [f"f.yaml:2: a: {_TWICE} 1 (keep one of them)", f"f.yaml:3: a: {_TWICE} 1 (keep one of them)"]),
        ("1: x", ['f.yaml:1: expected a text as key, got 1 (quote it: "1")']),
        ("a:\n  - true: x", ['f.yaml:2: a[0]: expected a text as key, got true (quote it: "true")']),
        ("?\n: x", ['f.yaml:1: expected a text as key, got nothing (quote it: "")']),
        ("a: {{b}}", ["f.yaml:1: a: expected a text as key, got a list or mapping (quote a text that begins with { or [)"]),
        ("a: *b", ['f.yaml:1: the alias *b names nothing: no &b comes before it (if it is a text, quote it: "*b")']),
        ("a: &b\n  - *b", ["f.yaml:2: the alias *b stands inside what it names"]),
        ("a:\n  <<: 3", ['f.yaml:2: a: expected << to name a mapping, or a list of them (for a key of that name write "<<")']),
        ("a:\n  <<: [3]", ['f.yaml:2: a: expected << to name a mapping, or a list of them (for a key of that name write "<<")']),
        ("a: !!python/object:os.system x", [f"f.yaml:1: a: the tag !!python/object:os.system {_TAG}"]),
        ("a: !x []\nb: !!set {}", [f"f.yaml:1: a: the tag !x {_TAG}", f"f.yaml:2: b: the tag !!set {_TAG}"]),
        ("a: 1\n---\nb: 1", ["f.yaml:2: a second document begins (leave out the line ---; list all under scenarios:)"]),
        (f"a:\n  b: {'9' * 301}", ["f.yaml:2: a.b: a number of more than 300 digits (quote it if it is a text)"]),
        ("a: 1e999", ["f.yaml:1: a: the number 1e999 is too large (quote it if it is a text)"]),
        ("a:\n\t- b", ["f.yaml:2: not YAML: nothing can begin with the character '\\t' (indent with blanks)"]),
        ("a: @x", ["f.yaml:1: not YAML: nothing can begin with the character '@' (quote the text)"]),
        ("a: 1\nb: \0", ['f.yaml:2: the character U+0000 may not stand here (in double quotes write "\\u0000")']),
        ("a: 1\nb: \x7f", ['f.yaml:2: the character U+007F may not stand here (in double quotes write "\\u007f")']),
        ("a: 1\n\nb: \ud83d", ["f.yaml:3: half a character, the lone surrogate U+D83D (save the file as UTF-8)"]),
        ("[" * 101, ["f.yaml:1: nested deeper than 100 levels"]),
        ("{a: " * 5000, ["f.yaml:1: nested deeper than 100 levels"]),
    ],
)  # fmt: skip
def test_what_yaml_may_not_say_is_told_with_its_line_and_remedy(text: str, problems: list[str]) -> None:
    assert read_problems(text) == problems


@both_parsers
@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("a: 1\nb: c: d", 2, "quote a text that contains a colon and a blank"),
        ("a: 'x\n\n", 3, "look for an open quote on the lines before"),
        ("a: 1\nb: [1, 2\nc: 3", 3, "look for an open bracket, and for texts to quote, on the lines before"),
        ('a: "\\q"', 1, "write \\\\ for a backslash, or use single quotes"),
        ("a: - b", 1, "begin a list on a line of its own"),
        ("- a\nb: c", 2, "look at the indentation and the quotes of this line and those before"),
        ('a: "\\ud800"', 1, None),
    ],
)
def test_wrong_yaml_is_told_with_what_has_probably_happened(text: str, line: int, remedy: str | None) -> None:
    [problem] = read_document(text).problems
    assert problem.message.startswith("not YAML: ")
    assert (problem.line, problem.remedy) == (line, remedy)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n...\n"])
def test_an_empty_text_has_no_tree_or_only_null(text: str) -> None:
    read = read_document(text)
    assert read.root is None or read.root.value is None
    assert read.problems == ()


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert read_problems("\n".join(lines)) == ["f.yaml:7: more than 1000000 values, aliases expanded"]


def test_a_text_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_CHARACTERS", 10)
    assert read_value("aaaa: bbbb") == {"aaaa": "bbbb"}
    assert read_problems("aaaa: bbbbb") == ["f.yaml:1: longer than 10 characters"]


def test_too_many_values_without_aliases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_NODES", 4)
    assert read_value("[1, 2, 3]") == [1, 2, 3]
    assert read_problems("[1, 2,\n3, 4]") == ["f.yaml:1: more than 4 values, aliases expanded"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('{"a": 1,\n "a": 2}', ["f.JSON:2: a: the key was given before, on line 1 (keep one of them)"]),
        ('{"a": [\n{"b": 1, "b": 2}]}', ["f.JSON:2: a[0].b: the key was given before, on line 2 (keep one of them)"]),
        ("[1,\nx]", ["f.JSON:2: not JSON: expecting value at column 1"]),
        ("{'a': 1}", ["f.JSON:1: not JSON: expecting property name enclosed in double quotes at column 2"]),
        ("", ["f.JSON:1: not JSON: expecting value at column 1"]),
        ('["\n"]', ["f.JSON:1: not JSON: invalid control character at column 3"]),
        ("[\n-Infinity]", ["f.JSON:2: not JSON: -Infinity is no number there (quote it if it is a text)"]),
        ("[NaN]", ["f.JSON:1: not JSON: NaN is no number there (quote it if it is a text)"]),
        ("[\n1e999]", ["f.JSON:2: [0]: the number 1e999 is too large (quote it if it is a text)"]),
        (f"[{'9' * 5000}]", ["f.JSON:1: [0]: a number of more than 300 digits (quote it if it is a text)"]),
        ('[1,\n"\\ud800"]', ["f.JSON:2: half a character, the lone surrogate U+D800"]),
        ('[1,\n"\ud800"]', ["f.JSON:2: half a character, the lone surrogate U+D800 (save the file as UTF-8)"]),
        ('"\0"', ['f.JSON:1: the character U+0000 may not stand here (in double quotes write "\\u0000")']),
        ("[" * 101 + "]" * 101, ["f.JSON:1: nested deeper than 100 levels"]),
        ("[" * 100_000 + "]" * 100_000, ["f.JSON:1: nested deeper than 100 levels"]),
    ],
)
def test_what_json_may_not_say_is_told_with_its_line(text: str, problems: list[str]) -> None:
    assert read_problems(text, "f.JSON") == problems


@given(JSON_VALUES, st.sampled_from([None, 1]), st.booleans())
def test_json_is_read_as_the_library_reads_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    read = read_value(text.replace("\x00", " "), "f.json")
    expected = json.loads(text.replace("\x00", " "))
    assert read == expected
    assert repr(read) == repr(expected)  # 1 is not 1.0, nor True


@given(JSON_VALUES.filter(lambda value: isinstance(value, dict | list)))
def test_every_entry_stands_on_the_line_that_it_is_found_on(value: Any) -> None:
    lines = (text := json.dumps(value, indent=1)).splitlines()
    root = read_document(text, "f.json").root
    assert root is not None
    waiting = [root]
    while waiting:
        node = waiting.pop()
        for key, (line, part) in node.entries.items():
            written = lines[line - 1].strip()
            if isinstance(key, str):
                assert written.startswith(json.dumps(key) + ":")
            elif not part.entries and not isinstance(part.value, dict | list):
                assert json.loads(written.rstrip(",")) == part.value
            waiting.append(part)


@given(st.text())
def test_no_text_makes_reading_raise(text: str) -> None:
    for file in (None, "f.json"):
        read = read_document(text, file)
        assert isinstance(read, Document)
        for problem in read.problems:
            assert problem.line is not None
            assert 1 <= problem.line <= max(1, len(text.splitlines()) + 1)


@given(
    st.lists(
        st.sampled_from([*"{}[]:,-?&*!|>'\"#%@` \n\t", "a", "b: ", "- ", "&a ", "*a", "<<: ", "!!str ", "1", "---\n"])
    ).map("".join)
)
def test_no_punctuation_makes_reading_raise(text: str) -> None:
    for file in (None, "f.json"):
        assert isinstance(read_document(text, file), Document)


def test_numbers_that_json_has_not_are_texts_in_yaml() -> None:
    assert read_value("[.inf, .nan]") == [".inf", ".nan"]
    assert not math.isinf(read_value("1.7e308"))
