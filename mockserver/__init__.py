"""openai-mockserver: a local server that speaks OpenAI's chat-completions stream exactly as told.

The names below are the public face. They are loaded when they are first used, so that `import mockserver` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mockserver._version import __version__

if TYPE_CHECKING:
    from mockserver.clock import Clock, JumpClock, RealClock
    from mockserver.delivery import Delivery
    from mockserver.errors import (
        ConnectionNotLentError,
        MockServerError,
        Problem,
        ScenarioError,
        StartError,
        UsageError,
    )
    from mockserver.journal import Exchange
    from mockserver.loading import load_scenarios
    from mockserver.reply import Choice, FunctionCall, Reply, ToolCall, Usage
    from mockserver.scenario import ErrorReply, Match, Scenario, ScenarioFile, TextMatch, Turn
    from mockserver.server import MockServer
    from mockserver.timing import Pause, Timing

__all__ = [
    "Choice",
    "Clock",
    "ConnectionNotLentError",
    "Delivery",
    "ErrorReply",
    "Exchange",
    "FunctionCall",
    "JumpClock",
    "Match",
    "MockServer",
    "MockServerError",
    "Pause",
    "Problem",
    "RealClock",
    "Reply",
    "Scenario",
    "ScenarioError",
    "ScenarioFile",
    "StartError",
    "TextMatch",
    "Timing",
    "ToolCall",
    "Turn",
    "Usage",
    "UsageError",
    "__version__",
    "load_scenarios",
]

_MODULES = {
    "clock": ("Clock", "JumpClock", "RealClock"),
    "delivery": ("Delivery",),
    "errors": ("ConnectionNotLentError", "MockServerError", "Problem", "ScenarioError", "StartError", "UsageError"),
    "journal": ("Exchange",),
    "loading": ("load_scenarios",),
    "reply": ("Choice", "FunctionCall", "Reply", "ToolCall", "Usage"),
    "scenario": ("ErrorReply", "Match", "Scenario", "ScenarioFile", "TextMatch", "Turn"),
    "server": ("MockServer",),
    "timing": ("Pause", "Timing"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """PEP 562: load a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
