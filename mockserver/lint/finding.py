"""What a linter finds."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["broken", "departure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: what, at which event (from 0), and by whose rule."""

    level: Level
    rule: str
    message: str
    event: int | None = None

    def __str__(self) -> str:
        where = "" if self.event is None else f"event {self.event}: "
        return f"{self.level}: {where}{self.message} ({self.rule})"


class BrokenError(Exception):
    """A stream that is broken so that it cannot be read any further."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding("broken", rule, message)
