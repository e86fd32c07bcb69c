"""The conformance suite: judges any streaming consumer, in any language, by what it reports of streams whose meaning is known."""

from mockserver.conformance.case import Case, choose_cases, load_cases, load_untested

__all__ = ["Case", "cases", "choose_cases", "load_cases", "load_untested"]


def cases(*run: str, skip: tuple[str, ...] = (), classes: tuple[str, ...] = ()) -> list[Case]:
    """The cases whose ids match one of the globs `run` (none: all), to parametrise a test with."""
    return choose_cases(load_cases(), run, skip, classes)
