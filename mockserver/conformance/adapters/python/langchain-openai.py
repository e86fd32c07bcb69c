"""langchain-openai: `ChatOpenAI.stream`, its chunks added up; the sum is what is reported."""

from langchain_openai import ChatOpenAI

LACKS = ("custom_tools", "function_call", "n", "reasoning", "refusal")


def ask(case, outcome):
    model = ChatOpenAI(
        model=case.request["model"], base_url=case.base_url, api_key="test", timeout=case.timeout_s,
        max_retries=case.retries, stream_usage="stream_options" in case.request,
    )  # fmt: skip
    if "tools" in case.request:
        model = model.bind_tools(case.request["tools"])
    total = None
    for chunk in outcome.each(model.stream(case.request["messages"])):
        outcome.add_text(chunk.text)
        total = chunk if total is None else total + chunk
    if total is None:
        return
    for call in total.tool_calls:
        outcome.add_call(call["id"], call["name"], call["args"])
    for call in total.invalid_tool_calls:
        outcome.add_call(call["id"], call["name"], call["args"])
    usage = total.usage_metadata and {
        "prompt_tokens": total.usage_metadata["input_tokens"],
        "completion_tokens": total.usage_metadata["output_tokens"],
        "total_tokens": total.usage_metadata["total_tokens"],
    }
    outcome.finish(total.response_metadata.get("finish_reason"), usage)
