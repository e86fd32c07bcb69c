"""smolagents: `OpenAIModel.generate_stream`, its deltas put together by its own `agglomerate_stream_deltas`."""

from smolagents import OpenAIModel
from smolagents.models import agglomerate_stream_deltas

LACKS = ("custom_tools", "finish_reason", "function_call", "n", "parsed_arguments", "reasoning", "refusal")


def ask(case, outcome):
    model = OpenAIModel(
        model_id=case.request["model"], api_base=case.base_url, api_key="test", retry=False,
        client_kwargs={"timeout": case.timeout_s, "max_retries": case.retries},
    )  # fmt: skip
    tools = {"tools": case.request["tools"]} if "tools" in case.request else {}
    deltas = []
    for delta in outcome.each(model.generate_stream(case.request["messages"], **tools)):
        outcome.add_text(delta.content)
        deltas.append(delta)
    message = agglomerate_stream_deltas(deltas)
    for call in message.tool_calls or ():
        outcome.add_call(call.id, call.function.name, call.function.arguments)
    usage = message.token_usage
    outcome.usage = {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens}
