"""The vocabulary between the rules of a call (`client.exchange`) and whoever does its I/O (`client.stream`).

Send      -> Head | Fault      send the request and read the answer's head
Read      -> bytes | Fault     the next bytes of the body, its content coding undone; b"" at its orderly end
Drain     -> bytes | Fault     the same after the reply is whole; may be declined with a Fault
Release   -> None              give up the connection of the last Send, whatever its state
Wait      -> None              pass some time
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ["Drain", "Fault", "Head", "Read", "Release", "Send", "Step", "Wait"]


class Send(Struct, frozen=True):
    """Send the request; give up at `deadline_s`, on connecting after `connect_timeout_s`."""

    deadline_s: float
    connect_timeout_s: float | None


class Read(Struct, frozen=True):
    """Read on; give up at `deadline_s`."""

    deadline_s: float


class Drain(Struct, frozen=True):
    """Read on for the connection's sake alone; give up at `deadline_s`."""

    deadline_s: float


class Release(Struct, frozen=True):
    """Let go of the connection."""


class Wait(Struct, frozen=True):
    """Pass `wait_s` seconds."""

    wait_s: float


class Head(Struct, frozen=True):
    """The head of an answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]


class Fault(Struct, frozen=True):
    """Why a step could not be carried out; `cause` is the exception behind it.

    `connect`: no connection. `timeout`: the deadline passed. `closed`: the connection ended, or spoke no HTTP, before its time.
    `coding`: the content coding is damaged.
    """

    kind: Literal["connect", "timeout", "closed", "coding"]
    text: str
    cause: BaseException | None = None


Step: TypeAlias = Send | Read | Drain | Release | Wait
