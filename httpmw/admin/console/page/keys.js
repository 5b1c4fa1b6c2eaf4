// The section with the ring and its keys.

import { $, columns, element, nothing, put, row } from "./dom.js";
import { call, may } from "./api.js";
import { confirm } from "./confirm.js";
import { Fleet } from "./fleet.js";
import { latest, on } from "./live.js";
import { current, onShow } from "./sections.js";
import { draw } from "./timeline.js";
import { inquire } from "./lookup.js";
import { about, ago, brief, clock, count, present, seconds, when } from "./words.js";

const pace = 3_000; // ms between two questions about the ring, while it is shown
const late = 60_000; // ms before a key seals, from which on a rotation cannot be taken back

let ring = null;

const states = { pending: ["waits", "wait"], sealing: ["seals", "good"], opening: ["opens", "good"], expired: ["expired", ""], revoked: ["revoked", "bad"] };
const pending = () => ring?.keys.find(k => k.state === "pending");
const sealing = () => ring?.keys.find(k => k.state === "sealing");

async function refresh() {
  try {
    ring = await call("GET", "keys");
    put("keys-error", "");
  } catch (refusal) {
    return put("keys-error", refusal.message);
  }
  show();
}

function show() {
  if (!ring) return;
  put("keys-say", `Ring ${ring.ring}. A session lives for at most ${seconds(ring.max_session)}.`);
  draw($("timeline"), ring.keys);
  const table = columns($("keys-table"));
  const rows = ring.keys.map(k => row(table, cells(k)));
  keep($("keys-body"), rows.length ? rows : [nothing($("keys-table"), "The ring has no key.")]);
  allow();
}

// keep replaces the rows of a table unless nothing has changed, so that the focus stays where it is.
function keep(body, rows) {
  const focused = body.contains(document.activeElement) ? document.activeElement.dataset.kid + document.activeElement.dataset.does : null;
  if ([...body.children].map(r => r.textContent).join() === rows.map(r => r.textContent).join() && body.childElementCount === rows.length) return;
  body.replaceChildren(...rows);
  if (focused) [...body.querySelectorAll("button")].find(b => b.dataset.kid + b.dataset.does === focused)?.focus();
}

function cells(k) {
  const [word, kind] = states[k.state] ?? [k.state, ""];
  return [
    element("code", {}, k.kid), [element("span", { class: "pill " + kind }, word)], when(k.iat), when(k.nbf), when(k.revoked ?? k.exp, k.state === "pending" ? "–" : "a newer key takes over"),
    when(k.use?.sealed, "never yet"), when(k.use?.opened, "never yet"), holders(k), buttons(k),
  ];
}

function holders({ replicas }) {
  if (!replicas) return element("span", { class: "none" }, "not known");
  const { have, of, missing = [] } = replicas;
  if (have === of) return `${have} of ${of}`;
  return [`${have} of ${of} `, element("small", {}, "without it: " + missing.map(m => `${m.host} ${brief(m.id)}`).join(", "))];
}

function buttons(k) {
  const ask = element("button", { type: "button", class: "small", "data-kid": k.kid, "data-does": "ask", "aria-label": `Look up key ${k.kid}` }, "Look up");
  ask.addEventListener("click", () => inquire("key", k.kid));
  if (!may("keys") || k.state === "revoked" || k.state === "expired") return element("div", { class: "buttons" }, ask);
  const button = element("button", { type: "button", class: "small", "data-kid": k.kid, "data-does": "revoke", "aria-label": `Revoke key ${k.kid}` }, "Revoke…");
  button.disabled = Boolean(latest.hello?.read_only);
  button.addEventListener("click", () => askRevoke(k));
  return element("div", { class: "buttons" }, ask, button);
}

// allow says which changes are possible now, and why the others are not.
function allow() {
  const next = pending(), old = ring.keys.filter(k => k.prunable);
  let never = "";
  if (!may("keys")) never = "Your token does not have the role “keys”, so it cannot change the ring.";
  else if (latest.hello?.read_only) never = "This replica cannot change its ring. Change it where it is kept, with wafer keys.";
  const soon = next && Date.parse(next.nbf) - present() < late;
  const cancel = !next ? "No key is waiting." : soon ? "The new key seals within a minute, which is too late to take it back." : "";
  const prune = old.length ? "" : "No key has expired.";
  put("cancel-why", cancel);
  put("prune-why", prune);
  $("rotate-button").disabled = Boolean(never || next);
  $("cancel-button").disabled = Boolean(never || cancel);
  $("prune-button").disabled = Boolean(never || prune);
  put("keys-why", never || [next ? `Key ${next.kid} is waiting and seals from ${clock(next.nbf)}.` : "", cancel && next ? cancel : "", next ? "" : "To rotate logs nobody out."].filter(Boolean).join(" "));
}

// reasonField makes a field for the audit record.
function reasonField() {
  const input = element("input", { id: "keys-reason", maxlength: 200, autocomplete: "off" });
  return [[element("label", { for: "keys-reason" }, "Reason ", element("span", { class: "optional" }, "(optional)")), input], () => input.value.trim() ? { reason: input.value.trim() } : {}];
}

function choice(name, value, text, checked) {
  return element("label", { class: "effect" }, element("input", { type: "radio", name, value, checked }), element("span", {}, text));
}

function askRotate() {
  const [field, reason] = reasonField();
  const group = element("fieldset", {}, element("legend", {}, "The new key seals"),
    choice("after", "600", "after 10 minutes, when every replica has it", true), choice("after", "3600", "after an hour, if replicas get the ring slowly"),
    choice("after", "0", "at once. A replica that does not have the key yet treats its sessions as signed out until it has loaded it"));
  confirm({
    title: "Rotate the sealing key?",
    text: "A new key is added now. It seals when its time comes, and nobody is signed out: the key that seals now goes on opening what it sealed.",
    facts: [["Sealing now", sealing()?.kid ?? "no key"], ["It opens for", `${seconds(ring.max_session + 86400)} more`], ["Replicas", fleetWords()]],
    choices: [group, ...field], action: "Rotate",
    act: async () => {
      const after = Number(group.querySelector(":checked").value);
      await change("keys/rotate", { ...(after ? { after } : { immediate: true }), ...reason() });
      return follow(ring.keys[0].kid, k => k && !k.revoked, "The new key");
    },
  });
}

const fleetWords = () => latest.now?.replicas ? count(latest.now.replicas.filter(r => r.keys?.length).length, "replica") + " with the ring" : "not known now";

function askCancel() {
  const [field, reason] = reasonField(), k = pending();
  confirm({
    title: "Take the rotation back?", text: `Key ${k.kid} will never seal. The key that seals now goes on, and nobody is signed out.`,
    facts: [["Would have sealed from", when(k.nbf)]], choices: field, action: "Take it back",
    act: async () => { await change("keys/cancel", reason()); return follow(k.kid, key => !key || key.revoked, "The end of the rotation"); },
  });
}

function askPrune() {
  const [field, reason] = reasonField(), old = ring.keys.filter(k => k.prunable);
  confirm({
    title: `Remove ${count(old.length, "expired key")}?`, text: "They open nothing any more, so nobody is signed out.",
    facts: [["Keys", old.map(k => k.kid).join(", ")]], choices: field, action: "Remove", act: () => change("keys/prune", reason()),
  });
}

function askRevoke(k) {
  const [field, reason] = reasonField();
  const people = latest.now?.status.signed_in, { within } = latest.now?.status.promise ?? {};
  const group = element("fieldset", {}, element("legend", {}, "And everyone?"),
    choice("all", "yes", "Sign everyone out as well. Who held the key may have had a forged session sealed again with another key", true),
    choice("all", "no", "Refuse only what this key sealed"));
  confirm({
    title: `Revoke key ${k.kid}?`,
    text: "Every replica refuses what this key sealed, for good. It takes some seconds. " + (k.state === "sealing" ? "Another key takes over at once." : ""),
    facts: [
      ["About how many", people ? `at most ${about(people.subjects, "person", "people")}, with ${about(people.sessions, "session", "sessions")}` : "not known now"],
      ["By when", within ? `Within ${seconds(within)} at every replica that reaches the store. Then everyone.` : "within seconds"], ["Last sealed", k.use?.sealed ? ago(k.use.sealed) : "never yet, as far as is known"],
    ],
    choices: [group, ...field], word: "revoke", action: "Revoke the key",
    act: async () => {
      const began = present();
      await call("POST", `keys/${k.kid}/revoke`, { key_only: group.querySelector(":checked").value === "no", ...reason() });
      await refresh();
      return follow(k.kid, key => !key || key.revoked, "The revocation of the key", began);
    },
  });
}

async function change(path, body) {
  ring = await call("POST", path, body);
  show();
  refresh();
}

// What the fleet is waited for: the replicas load the ring one after another, and report it every 5 s.
let waited = null;

// follow returns the node that says how far they are.
function follow(kid, has, what, began = present()) {
  const list = $("loading-fleet");
  list.replaceChildren();
  waited = { kid, has, what, began, fleet: new Fleet(list, "not yet", "loaded"), told: false };
  put("loading-title", `The fleet: key ${kid}`);
  put("loading-say", `${what} is in the ring. Waiting for the replicas to load it.`);
  look(latest.now);
  return $("loading-title");
}

function look(now) {
  if (!waited || waited.told || !now?.replicas) return;
  const { fleet, kid, has, what, began } = waited;
  for (const r of now.replicas.filter(r => r.keys?.length)) {
    const turned = has(r.keys.find(k => k.kid === kid));
    fleet.show(r, turned, turned && !fleet.rows.get(r.id)?.turned ? seconds((present() - began) / 1000) : "");
  }
  if (fleet.size === 0 || fleet.turned < fleet.size) return;
  waited.told = true;
  put("loading-say", `${what} is loaded by ${fleet.size === 1 ? "the one replica" : `all ${fleet.size} replicas`}. They say so every 5 s, so they were faster than that.`);
}

let timer = 0;

export function setUp() {
  $("rotate-button").addEventListener("click", askRotate);
  $("cancel-button").addEventListener("click", askCancel);
  $("prune-button").addEventListener("click", askPrune);
  on("now", look);
  on("hello", () => ring && allow());
  onShow("keys", shown => {
    clearInterval(timer);
    if (!shown) return;
    refresh();
    timer = setInterval(() => $("confirm").open || refresh(), pace); // a revocation under way may end the session for some seconds
  });
  addEventListener("resize", () => current() === "keys" && ring && draw($("timeline"), ring.keys));
}
