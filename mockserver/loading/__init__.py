"""How scenario files are read and written: text or paths -> `ScenarioFile`, and back.

A file holds `scenarios` (and `models`), or a bare list of scenarios, or a single one. The way without mistakes is short:
`document.py` reads the text, `msgspec` makes the scenarios. Only when that fails does `mistakes.py` look for every mistake, so
that what loads and what has no problems is the same by construction.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mockserver.errors import Problem, ScenarioError
from mockserver.loading.document import Document, read_document
from mockserver.loading.tree import MAX_CHARACTERS, MAX_DEPTH, Key, Node, write_place
from mockserver.scenario import Scenario, ScenarioFile, convert
from mockserver.shorthand import encode_shorthand

SUFFIXES = (".yaml", ".yml", ".json")
"""What makes a file in a folder a scenario file."""


def load_scenarios(paths: Sequence[str | Path]) -> ScenarioFile:
    """Read files and folders into one: scenarios and models in the order given.

    Of a folder every file in it is read whose name ends in one of `SUFFIXES`, however deep, in the order of their paths; hidden
    ones are not. A file given twice is read once. Raises `ScenarioError` with every problem of every file.
    """
    files: dict[str, Path] = {}
    sources, problems = [], []
    for path in map(Path, paths):
        try:
            for file in _list_files(path):
                files.setdefault(os.path.realpath(file), file)
        except _UnusableError as error:
            problems.append(error.problem)
    for file in files.values():
        try:
            sources.append(_read(_read_text(file), str(file)))
        except _UnusableError as error:
            problems.append(error.problem)
    return _join(sources, problems)


def parse_scenarios(text: str, file: str | None = None) -> ScenarioFile:
    """Read one text: JSON if the name of `file` ends in `.json`, else YAML. Raises `ScenarioError` with every problem."""
    return _join([_read(text, file)])


def find_problems(text: str, file: str | None = None) -> list[Problem]:
    """Every mistake in a text, in the order of its lines; none, and only then, if `parse_scenarios` can read it."""
    try:
        parse_scenarios(text, file)
    except ScenarioError as error:
        return list(error.problems)
    return []


def read_scenario(values: Scenario | Mapping[str, Any]) -> Scenario:
    """One scenario written in code as it would stand in a file.

    Raises `ScenarioError` with every mistake, as for a file, but for lines, of which there are none.
    """
    try:
        return Scenario.of(values)
    except ScenarioError as error:
        try:
            found = find_problems(msgspec.json.encode(values).decode(), ".json")
        except (TypeError, ValueError, RecursionError):  # no file could say it
            found = []
        problems = [Problem(each.message, each.place, remedy=each.remedy) for each in found]
        raise ScenarioError(problems or error.problems) from None


def dump_scenarios(file: ScenarioFile) -> str:
    """Write scenarios as YAML for people to read. `parse_scenarios` reads back an equal `ScenarioFile`.

    Raises `ScenarioError` for the few things made in code that no file can say: two scenarios of one name, half a character,
    infinite numbers, nesting beyond all bounds.
    """
    from mockserver.loading.yaml_text import write_yaml

    try:
        text = write_yaml(msgspec.to_builtins(file, enc_hook=encode_shorthand))
    except RecursionError:
        raise ScenarioError([Problem(f"nested deeper than {MAX_DEPTH} levels")]) from None
    if parse_scenarios(text) != file:
        raise ScenarioError(
            [Problem("a file cannot say this: it would not read back equal", remedy="use JSON's values")]
        )
    return text


class _UnusableError(Exception):
    """A path that yields no text."""

    def __init__(self, path: Path, message: str, line: int | None = None, remedy: str | None = None) -> None:
        self.problem = Problem(message, "", str(path), line, remedy)


def _list_files(path: Path) -> list[Path]:
    """The file itself, or the scenario files in a folder."""
    if "\0" in str(path):
        raise _UnusableError(path, "cannot be read: a path holds no NUL")
    if not path.is_dir():
        return [path]

    def refuse(error: OSError) -> None:
        raise _UnusableError(Path(error.filename), f"cannot be read: {error.strerror}")

    found = []
    for folder, folders, names in os.walk(path, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    if not found:
        raise _UnusableError(path, f"no scenario file in this folder: expected one of *{', *'.join(SUFFIXES)}")
    return sorted(found)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CHARACTERS + 1)
    except OSError as error:
        raise _UnusableError(path, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_CHARACTERS:
        raise _UnusableError(path, f"longer than {MAX_CHARACTERS} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        coding = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{data[error.start]:02x}"
        raise _UnusableError(path, f"not UTF-8: {coding}", line, "save the file as UTF-8") from None


class _Source(NamedTuple):
    """A text read: the tree of a scenario file, and how many keys of each place were added to what the user wrote."""

    document: Document
    root: Node | None
    hidden: int


_FILE_KEYS = frozenset(ScenarioFile.__struct_fields__)
_SCENARIO_KEYS = frozenset(Scenario.__struct_fields__)


def _read(text: str, file: str | None) -> _Source:
    document = read_document(text, file)
    root = document.root
    if root is None:
        return _Source(document, None, 0)
    keys = root.value.keys() if isinstance(root.value, dict) else frozenset()
    if isinstance(root.value, list):
        return _Source(document, _wrap("scenarios", root), 1)
    if keys & _SCENARIO_KEYS and not keys & _FILE_KEYS:
        one = Node([], root.line)
        one.attach(0, root.line, root)
        return _Source(document, _wrap("scenarios", one), 2)
    return _Source(document, root, 0)


def _wrap(key: Key, node: Node) -> Node:
    whole = Node({}, node.line)
    whole.attach(key, node.line, node)
    return whole


def _join(sources: Sequence[_Source], problems: Sequence[Problem] = ()) -> ScenarioFile:
    """Everything in one `ScenarioFile`. Raises `ScenarioError` with what was found in all of them."""
    files, found = [], list(problems)
    for source in sources:
        try:
            files.append(_convert(source))
        except ScenarioError as error:
            found += error.problems
    scenarios = tuple(scenario for file in files for scenario in file.scenarios)
    if found or len({scenario.name for scenario in scenarios}) < len(scenarios):
        order = {source.document.file: index for index, source in enumerate(sources)}
        found += _find_clashes(sources)
        raise ScenarioError(sorted(found, key=lambda problem: (order.get(problem.file, -1), problem.line or 0)))
    return ScenarioFile(scenarios, tuple(model for file in files for model in file.models))


def _convert(source: _Source) -> ScenarioFile:
    document, root, hidden = source
    if root is None:
        empty = Problem("empty: expected scenarios", "", document.file, 1)
        raise ScenarioError(document.problems or [empty])
    if document.problems:
        first = document.problems
    else:
        try:
            return convert(root.value, ScenarioFile)
        except ScenarioError as error:
            first = error.problems

    from mockserver.loading.mistakes import (
        find_mistakes,  # jsonschema is slow to import, and a right file does not need it
    )

    known = {(problem.line, problem.place) for problem in document.problems}
    more = [
        problem for problem in find_mistakes(root, document.file, hidden) if (problem.line, problem.place) not in known
    ]
    raise ScenarioError([*document.problems, *more] or first)


def _find_clashes(sources: Sequence[_Source]) -> Iterator[Problem]:
    """Each name that was taken before, with both places."""
    taken: dict[str, str] = {}
    for source in sources:
        file = source.document.file
        for name, line, place in _list_names(source):
            if name in taken:
                yield Problem(f"the name {name!r} is taken: {taken[name]} has it", place, file, line)
            else:
                taken[name] = f"{file}:{line}: {place}" if file else f"line {line}: {place}"


def _list_names(source: _Source) -> Iterator[tuple[str, int, str]]:
    """The name of each scenario with its line and place."""
    if source.root is None or "scenarios" not in source.root.entries:
        return
    for key, (_, scenario) in source.root.entries["scenarios"][1].entries.items():
        if "name" in scenario.entries:
            line, name = scenario.entries["name"]
            if isinstance(name.value, str):
                yield name.value, line, write_place(("scenarios", key, "name")[source.hidden :])
