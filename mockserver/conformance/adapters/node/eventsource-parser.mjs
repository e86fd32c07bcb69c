// eventsource-parser with fetch: events from `EventSourceParserStream`, their data read as JSON until [DONE].

import { EventSourceParserStream } from 'eventsource-parser/stream';

const lacks = ['parsed_arguments', 'retries'];

async function ask(line, outcome) {
  const response = await outcome.fetch(`${line.base_url}/chat/completions`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(line.request),
  });
  const isStream = /text\/event-stream/i.test(response.headers.get('content-type'));
  if (!response.ok || !isStream) throw new Error(`no event stream, status ${response.status}`);
  const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const event of outcome.each(events)) {
    if (event.event === 'error') throw new Error(event.data);
    if ((event.event ?? 'message') !== 'message') continue;
    if (event.data === '[DONE]') break;
    const chunk = JSON.parse(event.data);
    if (chunk.error || !('choices' in chunk)) throw new Error(event.data);
    outcome.addChunk(chunk);
  }
}
