"""The order of the modules: each file imports only from files above it, whether at its top or inside a function."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ORDER = """
    _version errors shorthand
    request.wording request.rules request.messages request.parameters request
    tokens logprobs reply runs completion
    generate.dice generate.excerpt generate.patterns generate.shapes generate.samples generate.scalars generate.schemas
    generate.value_maker generate.schema_values generate
    ids sse place timing
    json_text chunks chat_completion steps status http writes
    quirks.quirk quirks.pieces quirks.tool_calls quirks.tool_arguments quirks.reasoning quirks.contents quirks.finish
    quirks.usage quirks.identity quirks.extras quirks.choices quirks.events quirks
    faults.landmarks faults.fault faults.cuts faults.large faults.events faults.told faults.body faults
    edits delivery scenario
    loading.tree loading.yaml_text loading.document loading.remedies loading.mistakes loading dialects
    limits state matching stream message molds plain plan rows template strikes outcome
    lint.finding lint.message lint.chunks lint
    timerfd wheel clock meter journal internals connection eager incoming reader transport sender player playback recording
    api.service api.endpoint api.chat api.catalog api.metrics api.app api
    access loop address server
    strategies.parts strategies.places strategies.replies strategies.deliveries strategies.faults strategies.scenarios strategies
    conformance.case conformance.consumer conformance.arguments conformance.verdict conformance.result conformance.run conformance.mark conformance.baseline
    conformance.report.data conformance.report.junit conformance.report.markdown conformance.report.page
    conformance.report.terminal conformance.report conformance.adapters conformance.adapters.installing conformance.merging conformance.defects conformance.replays conformance.publishing conformance.matrix conformance.adhoc conformance.board conformance.fuzz
    conformance.stream_case conformance pytest_plugin
    cli.terminal cli.options cli.serving cli.serve_options cli.serve cli.validate cli.schema cli.finding cli.plans cli.show cli.listing cli.check_options cli.check cli.fuzz cli.demo cli.app cli
    __init__ __main__
"""
"""Every module of the package, in the order of design.md. One that is yet to come may stand here already."""

RANK = {name: rank for rank, name in enumerate(ORDER.split())}
# Adapters run in environments of their own, as programs: they are no modules of the package.
FILES = [file for file in sorted((ROOT / "mockserver").rglob("*.py")) if "adapters/python" not in file.as_posix()]


def module_name(file: Path) -> str:
    """The module's name inside the package: `sse`, `api.app`; `api` for `api/__init__.py`."""
    parts = file.relative_to(ROOT / "mockserver").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


NAMES = {module_name(file) for file in FILES}


def imports(file: Path) -> Iterator[str]:
    """The full names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix("mockserver.") in NAMES
                yield whole if is_module else str(node.module)


def test_every_module_has_its_place_in_the_order() -> None:
    assert sorted(NAMES - RANK.keys()) == [], "put it into ORDER, below what it imports and above what imports it"
    assert len(ORDER.split()) == len(RANK), "a module stands twice in ORDER"


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_a_module_imports_only_from_modules_above_it(file: Path) -> None:
    name = module_name(file)
    for imported in imports(file):
        package, _, inner = imported.partition(".")
        if package == "mockserver" and {name, inner or "__init__"} <= RANK.keys():
            assert RANK[inner or "__init__"] < RANK[name], f"{name} imports {imported}, which stands below it"


@pytest.mark.parametrize(("package", "other"), [("client", "mockserver"), ("mockserver", "client")])
def test_server_and_client_do_not_import_each_other(package: str, other: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        assert other not in {name.partition(".")[0] for name in imports(file)}, file


def test_the_reader_of_import_lines_sees_them_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "import os, mockserver.sse\nfrom mockserver.request import wording\nfrom mockserver.reply import Reply\n"
        "def f():\n    from mockserver.api import Service, app\n"
    )
    assert list(imports(file)) == [
        "os",
        "mockserver.sse",
        "mockserver.request.wording",
        "mockserver.reply",
        "mockserver.api",
        "mockserver.api.app",
    ]
