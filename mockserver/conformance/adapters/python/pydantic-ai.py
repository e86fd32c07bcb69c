"""pydantic-ai: `direct.model_request_stream`, which is the model without the agent's loop; its response at the end."""

from openai import AsyncOpenAI
from pydantic_ai import ModelRequest, ToolDefinition
from pydantic_ai.direct import model_request_stream
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

LACKS = ("custom_tools", "function_call", "n", "refusal")
client = AsyncOpenAI(base_url="http://127.0.0.1/v1", api_key="test")


async def ask(case, outcome):
    own = client.with_options(base_url=case.base_url, timeout=case.timeout_s, max_retries=case.retries)
    model = OpenAIChatModel(case.request["model"], provider=OpenAIProvider(openai_client=own))
    functions = [tool["function"] for tool in case.request.get("tools", ())]
    tools = [ToolDefinition(name=f["name"], parameters_json_schema=f["parameters"]) for f in functions]
    messages = [ModelRequest.user_text_prompt(case.request["messages"][-1]["content"])]
    parameters = ModelRequestParameters(function_tools=tools)
    async with model_request_stream(model, messages, model_request_parameters=parameters) as stream:
        async for event in outcome.each_async(stream):
            part = event.delta if event.event_kind == "part_delta" else getattr(event, "part", None)
            if event.event_kind in ("part_start", "part_delta"):
                add = {"text": outcome.add_text, "thinking": outcome.add_reasoning}.get(
                    getattr(part, "part_kind", None) or part.part_delta_kind, lambda text: None
                )
                add(getattr(part, "content", None) or getattr(part, "content_delta", None))
        response = stream.get()
    for call in response.tool_calls:
        outcome.add_call(call.tool_call_id, call.tool_name, call.args_as_json_str())
    usage = {"prompt_tokens": response.usage.input_tokens, "completion_tokens": response.usage.output_tokens}
    outcome.finish((response.provider_details or {}).get("finish_reason"), usage)
