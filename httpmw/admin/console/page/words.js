// How numbers, times and states are said.

import { element } from "./dom.js";

const numbers = new Intl.NumberFormat("en");
export const number = n => numbers.format(n);

// about says an estimate that is good to 2 %, with two or three digits that count.
export function about(n, one, many) {
  if (n === 1) return "1 " + one;
  let unit = 1;
  while (n / unit >= 1000) unit *= 10;
  return `${number(Math.round(n / unit) * unit)} ${many}`;
}

// count says a number of things.
export const count = (n, one, many = one + "s") => `${number(n)} ${n === 1 ? one : many}`;

// seconds says a duration, with the digits that matter.
export function seconds(s) {
  if (s === null || s === undefined || Number.isNaN(s)) return "–";
  if (s < 10) return (Number.isInteger(s) ? s : s.toFixed(2)) + " s";
  if (s < 120) return Math.round(s) + " s";
  if (s < 7200) return Math.round(s / 60) + " min";
  if (s < 172800) return short(s / 3600) + " h";
  return short(s / 86400) + " days";
}

const short = n => n < 10 ? String(Math.round(n * 10) / 10) : String(Math.round(n));

// duration says what Go writes as 1h0m0s.
export function duration(text) {
  const units = { h: ["hour", 0], m: ["minute", 0], s: ["second", 0] };
  for (const [, n, unit] of text.matchAll(/([\d.]+)(h|ms|m|s)/g)) {
    if (units[unit]) units[unit][1] = Number(n);
  }
  const parts = Object.values(units).filter(([, n]) => n > 0).map(([name, n]) => count(n, name));
  return parts.join(" ") || text;
}

// The clock of the application may differ from that of this machine.
let ahead = 0;
export const setClock = now => { ahead = Date.parse(now) - Date.now(); };
export const present = () => Date.now() + ahead;

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const year = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

// clock says a moment: its time, and its day unless that is today.
export function clock(moment) {
  const at = new Date(moment), today = new Date(present());
  if (at.toDateString() === today.toDateString()) return time.format(at);
  if (Math.abs(at - today) > 300 * 86400e3) return year.format(at);
  return `${day.format(at)} ${time.format(at)}`;
}

// when makes a <time> of a moment, with UTC in its title. lacking stands in for no moment.
export function when(moment, lacking = "–") {
  if (!moment) return element("span", { class: "none" }, lacking);
  return element("time", { datetime: moment, title: new Date(moment).toISOString() }, clock(moment));
}

// ago says how long a moment is past, or ahead.
export function ago(moment) {
  const s = (present() - Date.parse(moment)) / 1000;
  if (Math.abs(s) < 1) return "now";
  const round = Math.abs(s) < 10 ? `${Math.round(Math.abs(s))} s` : seconds(Math.abs(s));
  return s > 0 ? `${round} ago` : `in ${round}`;
}

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

// brief shortens an id that only has to be recognised.
export const brief = id => id.length > 10 ? id.slice(0, 8) + "…" : id;

// states are those of a list at a replica: the word, how it looks, and what it means.
export const states = {
  synced: ["in step", "good", "Its view of the list is fresh. It decides from memory, and refuses what was revoked within the promised time."],
  booting: ["starting", "wait", "It has not read the list yet. Sessions get 503 and are asked to come again."],
  stale: ["late", "wait", "It cannot read the list in time, but the store answers questions. It asks about each session before it lets it in."],
  cut_off: ["cut off", "bad", "The store does not answer it. Sessions that it can check from memory go on for a while, and are not renewed. What it revokes, it refuses itself at once."],
  closed: ["shutting down", "wait", "It stops, and serves what it has begun."],
  disabled: ["no list", "wait", "This application has no revocation list, so nothing can be revoked."],
};

// pill makes the word for a state.
export function pill(state) {
  const [word, kind] = states[state] ?? [state, "wait"];
  return element("span", { class: "pill " + kind }, word);
}

const nouns = { session: "the session", subject: "the person", group: "the group", key: "the key" };

// target names what is revoked. Quotation marks show where an id begins and ends.
export const target = (scope, id) => scope === "everyone" ? "everyone" : `${nouns[scope] ?? scope} “${id}”`;

// effect says what a revocation does to sessions.
export function effect(name, over) {
  if (name === "require_login") return "locked until a login";
  if (name === "reload") return "loaded again";
  return over ? `end over ${duration(over)}` : "ended";
}
