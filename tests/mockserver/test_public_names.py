"""The public face: which names there are, and what they cost."""

import subprocess
import sys
import typing
from pathlib import Path

import pytest

import mockserver

PUBLIC = """
    Choice Clock ConnectionNotLentError Delivery ErrorReply Exchange FunctionCall JumpClock Match MockServer MockServerError
    Pause Problem RealClock Reply Scenario ScenarioError ScenarioFile StartError TextMatch Timing ToolCall Turn Usage
    UsageError __version__ load_scenarios
"""


def test_the_public_names_are_these() -> None:
    assert sorted(mockserver.__all__) == sorted(PUBLIC.split())


@pytest.mark.parametrize("name", PUBLIC.split())
def test_every_public_name_is_what_its_module_says(name: str) -> None:
    value = getattr(mockserver, name)
    if name != "__version__":
        assert value is getattr(sys.modules[f"mockserver.{mockserver._MODULE_OF[name]}"], name)
        assert value.__name__ == name
        assert value.__doc__
    assert name in dir(mockserver)


def test_type_checkers_see_every_name_that_is_loaded_late() -> None:
    checked = Path(str(mockserver.__file__)).read_text().split("if TYPE_CHECKING:")[1].split("__all__")[0]
    for name in mockserver._MODULE_OF:
        assert name in checked.replace(",", " ").split()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'mockserver' has no attribute 'MockSever'"):
        _ = mockserver.MockSever


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert version("openai-mockserver") == mockserver.__version__


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_the_package_imports_no_module_of_it_and_nothing_else() -> None:
    code = """
import sys
before = set(sys.modules)
import mockserver
print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
print(*sorted(name for name in sys.modules if name.startswith('mockserver.')))
"""
    assert run_python(code).splitlines() == ["mockserver", "mockserver._version"]


LATE = {"typer", "rich", "jsonschema", "httpx2", "openai", "pytest", "hypothesis", "tiktoken"}
"""Too slow to import for the way to the first answer, or no dependency of the server at all."""


@pytest.mark.parametrize("module", ["mockserver.server", "mockserver.cli.serving", "mockserver.access"])
def test_the_server_imports_nothing_that_its_first_answer_does_not_need(module: str) -> None:
    code = f"""
import sys
import {module}
from mockserver.server import build_service
build_service()
print(*sorted({LATE!r} & set(sys.modules)))
"""
    assert run_python(code).split() == []


def test_the_types_of_the_public_names_can_be_read_at_run_time() -> None:
    for name in ("Scenario", "Match", "Reply", "Turn", "Timing"):
        assert typing.get_type_hints(getattr(mockserver, name))
