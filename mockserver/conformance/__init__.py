"""The conformance suite: judges any streaming consumer, in any language, by what it reports of streams whose meaning is known.

The names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.conformance.case import Case, choose_cases, load_cases, load_untested
    from mockserver.conformance.stream_case import CaseFailedError, StreamCase, play_case

__all__ = [
    "Case",
    "CaseFailedError",
    "StreamCase",
    "cases",
    "choose_cases",
    "load_cases",
    "load_untested",
    "play_case",
]

_MODULES = {
    "case": ("Case", "choose_cases", "load_cases", "load_untested"),
    "stream_case": ("CaseFailedError", "StreamCase", "play_case"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def cases(*run: str, skip: tuple[str, ...] = (), classes: tuple[str, ...] = ()) -> "list[Case]":
    """The cases whose ids match one of the globs `run` (none: all), to parametrise a test with.

    >>> @pytest.mark.parametrize("case", mockserver.conformance.cases("cut-*"), ids=str)
    ... def test_my_client(case):
    ...     with play_case(case) as stream_case:
    ...         stream_case.run(my_client)
    """
    from mockserver.conformance.case import choose_cases, load_cases

    return choose_cases(load_cases(), run, skip, classes)


def __getattr__(name: str) -> Any:
    """PEP 562: load a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value
