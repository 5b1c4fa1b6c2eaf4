// The last ten minutes, one sample a second.

import { on } from "./live.js";

const kept = 600;

// samples are {t, now}, oldest first. A null in place of now is a gap: nothing was heard.
export const samples = [];

let replica = ""; // whose counters these are

export function setUp(drawn) {
  on("hello", hello => {
    if (replica && replica !== hello.replica) samples.push({ t: Date.now(), now: null }); // another replica counts from elsewhere
    replica = hello.replica;
  });
  on("live", live => { if (live !== true && samples.at(-1)?.now) samples.push({ t: Date.now(), now: null }); });
  on("now", now => {
    samples.push({ t: Date.now(), now });
    const oldest = Date.now() - kept * 1000;
    while (samples.length && samples[0].t < oldest) samples.shift();
    drawn();
  });
}

// rate returns how fast a counter rises at sample i, for each second, over some seconds. null: not known.
export function rate(i, counter, over) {
  const to = samples[i];
  let from = null;
  for (let j = i - 1; j >= 0 && samples[j].now; j--) {
    from = samples[j];
    if (to.t - from.t >= over * 1000 - 300) break;
  }
  if (!from || !to.now || to.t === from.t) return null; // some arrive together after a tab was asleep
  const rise = counter(to.now) - counter(from.now);
  return rise < 0 ? null : rise / ((to.t - from.t) / 1000);
}

// rise returns by how much a counter rose in the minute before sample i, or since there are samples.
export function rise(i, counter) {
  const to = samples[i];
  if (!to.now) return null;
  let from = to;
  for (let j = i - 1; j >= 0 && samples[j].now && to.t - samples[j].t <= 60_000; j--) from = samples[j];
  return Math.max(0, counter(to.now) - counter(from.now));
}

// pace returns the rate of a counter now.
export const pace = counter => samples.length ? rate(samples.length - 1, counter, 5) : null;

// total adds up an object of counters, and those inside it.
export const total = counters => typeof counters === "number" ? counters : Object.values(counters ?? {}).reduce((sum, n) => sum + total(n), 0);

// outcomes counts decisions of one outcome, however they were made.
export const outcomes = outcome => now => Object.values(now.status.counters.decisions).reduce((sum, of) => sum + (of[outcome] ?? 0), 0);

