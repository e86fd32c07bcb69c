"""Hypothesis: places in a stream, and short times."""

from hypothesis import strategies as st

from mockserver.place import EventRef, Place
from mockserver.shorthand import Duration

EVENT_NAMES = ("role", "finish", "usage", "done")
WITHOUT_EVENT = ("before_reply", "before_headers", "after_headers", "after_finish", "after_done")
WITH_EVENT = ("before_event", "inside_event", "after_event")

event_refs: st.SearchStrategy[EventRef] = (st.integers(0, 12) | st.sampled_from(EVENT_NAMES)).map(EventRef)
places: st.SearchStrategy[Place] = st.sampled_from(WITHOUT_EVENT).map(Place) | st.builds(
    Place, st.sampled_from(WITH_EVENT), event_refs
)
durations: st.SearchStrategy[Duration] = st.integers(0, 40).map(lambda ms: Duration(ms / 1000))
