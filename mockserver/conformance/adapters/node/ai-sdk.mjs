// ai with @ai-sdk/openai-compatible: `streamText`, the parts of its `fullStream`.
//
// It has no timeout for the next byte; the fetch given to it has one. It is left by an abort signal, as its documentation says.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { jsonSchema, streamText, tool } from 'ai';

const lacks = ['custom_tools', 'function_call', 'n', 'refusal'];

async function ask(line, outcome) {
  const provider = createOpenAICompatible({
    name: 'mock', baseURL: line.base_url, apiKey: 'test', includeUsage: 'stream_options' in line.request, fetch: outcome.fetch,
  });
  const tools = {};
  for (const { function: f } of line.request.tools ?? []) {
    tools[f.name] = tool({ description: f.description, inputSchema: jsonSchema(f.parameters) });
  }
  const { model, messages } = line.request;
  const controller = new AbortController();
  const result = streamText({
    model: provider(model), messages, tools, maxRetries: line.retries, abortSignal: controller.signal, onError() {},
  });
  try {
    for await (const part of outcome.each(result.fullStream)) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'text-delta') outcome.addText(part.text);
      if (part.type === 'reasoning-delta') outcome.addReasoning(part.text);
      if (part.type === 'tool-call') outcome.addCall(part.toolCallId, part.toolName, part.input);
      if (part.type === 'finish') outcome.finish(part.rawFinishReason, asUsage(part.totalUsage));
    }
  } finally {
    controller.abort();
  }
}

function asUsage({ inputTokens, outputTokens }) {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens };
}
