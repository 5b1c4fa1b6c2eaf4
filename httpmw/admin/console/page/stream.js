// Reading server-sent events. fetch tells the status of a refusal, which EventSource does not.

import { Refusal } from "./api.js";

// events yields {name, data} of each event of path, until the stream ends or signal is aborted.
export async function* events(path, signal) {
  const response = await fetch(path, { cache: "no-store", headers: { Accept: "text/event-stream" }, signal });
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Refusal(response.status, answer.code ?? "", answer.detail ?? "");
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parse(block);
      if (event) yield event;
    }
  }
}

// parse reads one event. Comments keep the connection alive and say nothing.
function parse(block) {
  let name = "message", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5);
  }
  return data ? { name, data: JSON.parse(data) } : null;
}
