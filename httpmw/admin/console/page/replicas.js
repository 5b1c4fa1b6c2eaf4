// The section with the replicas.

import { $, columns, element, nothing, put, row } from "./dom.js";
import { name } from "./fleet.js";
import { latest, on } from "./live.js";
import { current, onShow } from "./sections.js";
import { ago, brief, clock, count, pill, present, seconds, states } from "./words.js";

let last = null; // what the store said last, and when

function take({ replicas }) {
  if (replicas) last = { replicas, at: present() };
  if (current() === "replicas") show(Boolean(replicas));
}

function show(fresh = true) {
  const silent = latest.live ? "The store does not answer." : "The application does not answer.";
  if (!last) return put("replicas-say", `${silent} So the replicas are not known.`);
  const { replicas, at } = last;
  put("replicas-say", fresh ? "Every replica that the store heard of in the last 15 seconds."
    : `${silent} This is how the replicas were at ${clock(at)}. Each goes on by itself.`);
  const body = $("replicas-body"), table = columns($("replicas-table"));
  const rows = replicas.map(r => row(table, cells(r, fresh)));
  body.replaceChildren(...(rows.length ? rows : [nothing($("replicas-table"), "The store has heard of no replica. One that started just now comes within seconds.")]));
}

const cells = (r, fresh) => [
  [name(r), report(r)], fresh ? pill(r.state) : element("span", { class: "pill" }, "was " + states[r.state]?.[0]), seconds(r.age), seconds(r.window), loaded(r.keys), r.version || "–", ago(r.seen),
];

function report({ report }) {
  const said = Object.entries(report ?? {}).map(([key, value]) => `${key} ${value}`).join(" · ");
  return said && element("small", { class: "report" }, said);
}

function loaded(keys = []) {
  if (keys.length === 0) return element("span", { class: "none" }, "keeps no sessions");
  return element("span", { class: "kids" }, ...keys.map(k => element("code", { title: k.kid, class: k.revoked && "refused" }, brief(k.kid) + (k.revoked ? " revoked" : ""))));
}

// ready lists the replicas that will turn when something is revoked.
function ready({ replicas }) {
  const list = $("ready");
  if (!list || !last) return;
  const rows = last.replicas.map(r => element("li", {}, name(r), replicas ? pill(r.state) : element("span", { class: "pill" }, "not known"), element("span")));
  if (list.textContent !== rows.map(r => r.textContent).join("")) list.replaceChildren(...rows);
}

// summary says how many are in step, for the top of the page.
export const summary = replicas => `${replicas.filter(r => r.state === "synced").length} of ${count(replicas.length, "replica").split(" ")[0]}`;

export function setUp() {
  on("now", take);
  on("now", ready);
  on("live", live => {
    if (live === true) return;
    ready({ replicas: null });
    if (current() === "replicas") show(false);
  });
  onShow("replicas", shown => shown && show(Boolean(latest.live && latest.now?.replicas)));
  $("states").append(...Object.values(states).map(([word, kind, meaning]) => element("div", {}, element("dt", {}, element("span", { class: "pill " + kind }, word)), element("dd", {}, meaning))));
}
