"""llama-index: `OpenAILike.stream_chat`; its last response is what is reported."""

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

LACKS = ("custom_tools", "function_call", "n", "parsed_arguments", "refusal")


def ask(case, outcome):
    model = OpenAILike(
        model=case.request["model"], api_base=case.base_url, api_key="test", is_chat_model=True,
        is_function_calling_model=True, timeout=case.timeout_s, max_retries=case.retries,
    )  # fmt: skip
    messages = [ChatMessage(role=m["role"], content=m["content"]) for m in case.request["messages"]]
    more = {key: case.request[key] for key in ("tools", "stream_options") if key in case.request}
    response = None
    for response in outcome.each(model.stream_chat(messages, **more)):
        outcome.add_text(response.delta)
        outcome.add_reasoning(response.additional_kwargs.get("thinking_delta"))
        raw = response.raw
        outcome.finish(raw.choices[0].finish_reason if raw.choices else None, raw.usage)
    for block in response.message.blocks if response else ():
        if block.block_type == "tool_call":
            outcome.add_call(block.tool_call_id, block.tool_name, block.tool_kwargs)
