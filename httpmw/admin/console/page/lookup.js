// The section that looks up what is in force.

import { $, busy, chosen, choose, element, fault, put } from "./dom.js";
import { call, may } from "./api.js";
import { explain, propose, wrong } from "./revoke.js";
import { go } from "./sections.js";
import { duration, target, when } from "./words.js";
import { search } from "./trail.js";

async function ask() {
  const scope = chosen("asked"), id = $("lookup-id").value;
  const text = wrong(scope, id);
  fault($("lookup-id"), text);
  if (text) return;
  try {
    const [about, everyone] = await Promise.all([find(scope, id), scope === "everyone" ? null : find("everyone").catch(() => null)]);
    show(about, everyone);
  } catch (refusal) {
    $("found-list").replaceChildren();
    put("found-say", refusal.message);
  }
}

// find asks the list about a target, and the log and the audit records who revoked it.
async function find(scope, id) {
  const finding = await call("POST", "revocations/lookup", scope === "everyone" ? { scope } : { scope, id });
  const [log, audit] = await Promise.all([
    call("GET", `revocations?limit=1000&scope=${scope}`).catch(() => ({ revocations: [] })),
    call("GET", "audit").catch(() => ({ records: [] })),
  ]);
  const made = log.revocations.filter(r => r.tag === finding.tag);
  const recorded = audit.records.filter(r => r.target?.tag === finding.tag && r.target.scope === scope && !r.error);
  return { scope, id, finding, effects: effectsOf(finding).map(e => ({ ...e, ...origin(e, made, recorded) })) };
}

// effectsOf lists all that is in force, the end first.
function effectsOf({ revoked, since, until, effects = [] }) {
  return revoked ? [{ effect: "end", since, until }, ...effects] : effects;
}

// origin returns who made an effect, when and why, if that is known.
function origin({ effect, over }, made, recorded) {
  const slow = Boolean(over);
  const entry = made.find(r => r.effect === effect && Boolean(r.over) === slow);
  const record = recorded.find(r => (r.effect ?? "end") === effect && Boolean(r.over) === slow && r.changed !== false);
  const who = entry?.actor || record?.actor, claimed = entry?.claimed_actor || record?.claimed_actor;
  return { at: entry?.at ?? record?.time, who: claimed ? `${who} (for ${claimed})` : who, why: entry?.reason || record?.reason, until: entry?.until };
}

function show(about, everyone) {
  const what = target(about.scope, about.id), { finding } = about;
  const none = about.effects.length === 0;
  let text = none ? `Nothing is in force about ${what}.` : `In force about ${what}:`;
  if (finding.partial) text = `The store does not answer. This replica knows of this about ${what}; there may be more:`;
  put("found-say", text);
  const list = element("div", {}, ...about.effects.map(card));
  if (everyone?.effects.length) list.append(element("h4", {}, "About everyone, and so about these sessions too"), ...everyone.effects.map(card));
  list.append(element("p", { class: "fine tag" }, "Its tag in audit records and in the list: ", element("code", {}, finding.tag)), buttons(about));
  $("found-list").replaceChildren(list);
}

const does = {
  end: ["Ended", "Sessions that began until"],
  require_login: ["Locked until a login", "Sessions that began until"],
  reload: ["Data is loaded again", "Data that was loaded until"],
};

function card({ effect, since, over, ended_by, until, at, who, why }) {
  const [title, scope] = does[effect];
  const facts = [
    [scope, since ? when(since) : "any time"],
    ended_by && ["All have ended by", when(ended_by)],
    ["Made", when(at, "longer ago than the log goes back")],
    ["By", who || "not known here; the audit log has it"],
    ["Why", why || "no reason known"],
    ["Remembered until", when(until, "not known")],
  ];
  return element("div", { class: "effect-card" }, element("h4", {}, over ? `Ending over ${duration(over)}` : title),
    element("dl", { class: "facts" }, ...facts.filter(Boolean).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
}

function buttons({ scope, id, finding }) {
  const trail = element("button", { type: "button" }, "Find in the audit trail");
  trail.addEventListener("click", () => { search(finding.tag); go("trail"); });
  if (scope === "key" || !may("revoke")) return element("div", { class: "buttons" }, trail);
  const revoke = element("button", { type: "button" }, "Revoke…");
  revoke.addEventListener("click", () => { propose(scope, id); go("revoke"); });
  return element("div", { class: "buttons" }, revoke, trail);
}

// inquire asks about a key, for another section.
export function inquire(scope, id) {
  choose("asked", scope);
  $("lookup-id").value = id;
  go("lookup");
  ask();
}

export function setUp() {
  for (const radio of document.querySelectorAll('input[name="asked"]')) radio.addEventListener("change", () => explain("lookup-id", chosen("asked")));
  $("lookup-id").addEventListener("input", () => fault($("lookup-id"), ""));
  explain("lookup-id", chosen("asked"));
  $("lookup-form").addEventListener("submit", event => {
    event.preventDefault();
    busy($("lookup-button"), ask);
  });
}
