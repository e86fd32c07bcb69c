"""What a scenario answers, planned without a server, and what is right to make of it, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockserver.plan import Plan
    from mockserver.request import ChatRequest
    from mockserver.scenario import Scenario, Turn

ACCEPTED = "gzip, deflate, br"
"""The codings that the request offers."""

RIGHTS = {
    "same": "the reply, whole",
    "error": "an error",
    "either": "the reply or an error, nothing invented or doubled",
}
"""What a right consumer reports, by the verdict on what it is sent."""


def plan_answer(
    scenario: "Scenario", answer: "Turn", request: "ChatRequest", seed: int = 0, ordinal: int = 0
) -> "Plan":
    """The plan that a server makes of an answer of a scenario, at a moment that is always the same, for who takes any coding."""
    from mockserver.plan import Terms, plan_turn

    key = f"{seed}/{scenario.name}/{request.fingerprint}"
    terms = Terms(seed=key, ordinal=ordinal, wall_s=1_700_000_000.0, accept_encoding=ACCEPTED)
    return plan_turn(answer, request, terms)


def tell_right(plan: "Plan") -> Iterator[str]:
    """What a right consumer reports of a stream, in a line; nothing where there is none."""
    if plan.stream is not None:
        from mockserver.outcome import expect

        expected = expect(plan.stream)
        because = f", because of {', '.join(expected.because)}" if expected.because else ""
        yield f"A right consumer reports: {RIGHTS[expected.right]}{because}."
