// What one replica says once a second. When it falls silent, the page says so and asks again.

import { leave, quiet } from "./session.js";
import { setClock } from "./words.js";
import { events } from "./stream.js";

const silence = 5_000;           // ms without an event, after which the stream counts as broken
const first = 1_000, last = 15_000; // ms until the next try

const listeners = { hello: [], now: [], live: [] };

// on calls back with each "hello", each "now", and whenever "live" changes: true, or the ms until the next try.
export const on = (what, listener) => listeners[what].push(listener);
const tell = (what, value) => listeners[what].forEach(l => l(value));

// The last of each. null: none yet.
export const latest = { hello: null, now: null, at: 0, live: false };

// follow never ends.
export async function follow() {
  for (let wait = first; ; wait = Math.min(2 * wait, last)) {
    if (await once()) wait = first;
    latest.live = false;
    const rest = wait * (0.8 + 0.4 * Math.random()); // so that many consoles do not come at once
    tell("live", rest);
    await new Promise(done => setTimeout(done, rest));
    await quiet();
  }
}

// once reads one stream to its end, and reports whether it said anything.
async function once() {
  const stop = new AbortController();
  let said = false, timer;
  const alive = () => { clearTimeout(timer); timer = setTimeout(() => stop.abort(), silence); };
  alive();
  try {
    for await (const { name, data } of events("events", stop.signal)) {
      alive();
      said = true;
      take(name, data); // after "ended" there may be a new session, so the page just asks again
    }
  } catch (refusal) {
    if (refusal.status === 401) leave();
  } finally {
    clearTimeout(timer);
  }
  return said;
}

function take(name, data) {
  if (name === "now") {
    setClock(data.now);
    latest.now = data;
    latest.at = Date.now();
    if (!latest.live) {
      latest.live = true;
      tell("live", true);
    }
  } else if (name === "hello") {
    latest.hello = data;
  } else return;
  tell(name, data);
}
