// A complete consumer in JavaScript, no packages: run it with `mockserver check -- node docs/consumers/consumer.mjs`.
import { createInterface } from 'node:readline';

/** The data of each server-sent event (WHATWG HTML 9.2.6); lines may end in LF, CRLF or CR. `onRead` is called at each read. */
async function* readEvents(body, onRead) {
  const decoder = new TextDecoder('utf-8', { fatal: true }); // it also takes one byte order mark away
  let text = '';
  let data = [];
  for await (const bytes of body) {
    onRead();
    text += decoder.decode(bytes, { stream: true });
    // A CR at the very end may be the first half of a CRLF: it waits for the next read.
    const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\n|\r/);
    text = lines.pop() + text.slice(whole.length);
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
      else if (line === '' && data.length) {
        yield data.join('\n');
        data = [];
      }
    }
  }
}

/** Make the request of one case, and report what came of it. */
async function ask(line) {
  const silence = new AbortController();
  let timer;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(new Error(`silent for ${line.timeout_s} s`)), line.timeout_s * 1000);
  };
  watch();
  try {
    const response = await fetch(`${line.base_url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${line.api_key}` },
      body: JSON.stringify(line.request),
      signal: silence.signal,
    });
    if (!response.ok) throw new Error(`status ${response.status}: ${(await response.text()).slice(0, 200)}`);
    const got = { content: '', tool_calls: [], finish_reason: null, usage: null, error: null };
    for await (const data of readEvents(response.body, watch)) {
      if (data === '[DONE]') break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(`the server told an error: ${JSON.stringify(chunk.error)}`);
      got.usage = chunk.usage ?? got.usage;
      for (const choice of chunk.choices ?? []) {
        got.content += choice.delta?.content ?? '';
        got.finish_reason = choice.finish_reason || got.finish_reason;
      }
    }
    if (!got.finish_reason) got.error = { type: 'Truncated', message: 'the stream ended without a finish reason' };
    return got;
  } finally {
    clearTimeout(timer);
  }
}

const lacks = ['tools', 'n', 'refusal', 'reasoning', 'retries', 'leave_early', 'read_pause'];
console.log(JSON.stringify({ consumer: 'example-node', version: '1', lacks }));
for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text);
  const answer = await ask(line).catch((error) => ({ error: { type: error.name, message: String(error.cause ?? error) } }));
  console.log(JSON.stringify({ case: line.case, ...answer }));
}
