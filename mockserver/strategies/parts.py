"""What every strategy here is made with: values of which some fields are drawn and the others left as they are."""

from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st

_T = TypeVar("_T")


def parts(kind: type[_T], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[_T]:
    """A `kind` of which some fields are drawn and the others as they are by default; it shrinks to the default."""
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: kind(**given))


@st.composite
def partitions(draw: st.DrawFn, data: bytes, max_cuts: int = 8) -> list[bytes]:
    """Bytes cut into pieces, of which some may be empty; joined they are `data`. It shrinks to one piece."""
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=max_cuts))
    return [data[a:b] for a, b in pairwise([0, *sorted(cuts), len(data)])]
