"""instructor: `create_partial` over an OpenAI client; the last partial object is what is reported, as one tool call.

The response model has the fields of all tools of the case, every one optional: it is offered as one tool.
"""

from typing import Any

import instructor
from openai import OpenAI
from pydantic import create_model

LACKS = (
    "content", "custom_tools", "finish_reason", "function_call", "n", "parallel_tools", "reasoning", "refusal",
    "tool_ids", "tool_names", "usage",
)  # fmt: skip
client = OpenAI(base_url="http://127.0.0.1/v1", api_key="test")


def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    tools = [tool["function"]["parameters"]["properties"] for tool in case.request["tools"]]
    model = create_model(
        "Answer", __config__={"extra": "allow"}, **{name: (Any, None) for fields in tools for name in fields}
    )
    partials = instructor.from_openai(own).create_partial(
        response_model=model, model=case.request["model"], messages=case.request["messages"]
    )
    last = None
    for partial in outcome.each(partials):
        last = partial
    if last is not None:
        outcome.add_call(None, None, {name: value for name, value in last if value is not None})
