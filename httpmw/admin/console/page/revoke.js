// The section that revokes.

import { $, attribute, busy, chosen, choose, element, fault, put } from "./dom.js";
import { call, may } from "./api.js";
import { confirm } from "./confirm.js";
import { latest, on } from "./live.js";
import { about, clock, duration, effect, present, seconds, target } from "./words.js";
import { Receipt } from "./receipt.js";

// What an id is, by scope.
export const ids = {
  session: ["Session id", "Its 22 characters, as your application logs them."],
  subject: ["Subject", "The person, exactly as your application names them when they sign in."],
  group: ["Group", "Such as tenant:7, exactly as your application names it when people sign in."],
  key: ["Key id", "Its 11 characters, as the section Keys shows them."],
  everyone: ["", "Every session of this application, and of the console too."],
};

// explain shows what belongs into the field of an id.
export function explain(field, scope) {
  const [label, hint] = ids[scope];
  put(field + "-label", label || "Everyone");
  put(field + "-hint", hint);
  $(field).disabled = scope === "everyone";
  if ($(field).disabled) $(field).value = "";
  $(field + "-field").classList.toggle("off", scope === "everyone");
  fault($(field), "");
}

// wrong says what is wrong with an id, "" if it can be asked about.
export function wrong(scope, id) {
  if (scope === "everyone") return "";
  if (!id) return `Whose? Enter the ${ids[scope][0].toLowerCase()}.`;
  if (id !== id.trim()) return "There is a space before or behind it. Remove the space, and try again.";
  if (scope === "session" && !/^[\w-]{22}$/.test(id)) return "A session id has 22 letters, digits, - and _. Is this a subject?";
  if (scope === "key" && !/^[\w-]{11}$/.test(id)) return "A key id has 11 letters, digits, - and _.";
  return "";
}

// fit leaves only what goes with the scope.
function fit() {
  const scope = chosen("scope");
  explain("revoke-id", scope);
  const slowly = scope === "group" || scope === "everyone";
  $("effect-over").disabled = $("over").disabled = !slowly;
  if (!slowly && chosen("effect") === "over") choose("effect", "end");
  const until = scope === "session" ? "A session is revoked whenever it began." : chosen("effect") === "over" ? "One after another, all end that began until now." : "";
  $("revoke-before").disabled = Boolean(until);
  put("revoke-before-hint", until || "Sessions that began later stay.");
}

// bound leaves only the times that the list allows: at most the longest idle limit.
function bound({ max_idle: longest }) {
  const options = [...$("over").options];
  for (const o of options) o.disabled = o.dataset.seconds > longest && o !== options[0];
  if ($("over").selectedOptions[0].disabled) $("over").value = options.findLast(o => !o.disabled).value;
}

// question reads the form. It returns null if something is missing, and says what.
function question() {
  const scope = chosen("scope"), kind = chosen("effect"), id = $("revoke-id").value;
  put("revoke-error", "");
  const text = wrong(scope, id);
  fault($("revoke-id"), text);
  if (text) return null;
  const asked = { scope };
  if (scope !== "everyone") asked.id = id;
  if (kind === "over") asked.over = $("over").value;
  else if (kind !== "end") asked.effect = kind;
  if ($("revoke-before").value && !$("revoke-before").disabled) asked.before = new Date($("revoke-before").value).toISOString();
  if ($("revoke-reason").value.trim()) asked.reason = $("revoke-reason").value.trim();
  return asked;
}

async function ask() {
  const asked = question();
  if (!asked) return;
  let preview = null;
  try {
    preview = await call("POST", "revocations", { ...asked, dry_run: true });
  } catch (refusal) {
    if (refusal.code !== "unavailable") return put("revoke-error", refusals[refusal.code] ?? refusal.message);
  }
  confirm({
    title: title(asked), text: preview?.summary ?? blind, facts: facts(asked, preview),
    word: asked.scope === "everyone" ? "everyone" : "", action: action(asked), act: () => revoke(asked),
  });
}

const refusals = {
  under_way: "These sessions are ending one after another already. Wait until that is over, or choose “End now”, which ends the rest at once.",
};

const blind = "The store does not answer, so it is not known what is in force already. You can revoke all the same: " +
  "the replica that gets this refuses at once, and tells the others as soon as the store answers.";

function title(asked) {
  const what = target(asked.scope, asked.id);
  if (asked.effect === "require_login") return `Require a login of ${what}?`;
  if (asked.effect === "reload") return `Load the data of ${what} again?`;
  return asked.over ? `End the sessions of ${what} over ${duration(asked.over)}?` : asked.scope === "session" ? `End ${what}?` : `End all sessions of ${what}?`;
}

const action = asked => asked.effect === "require_login" ? "Require a login" : asked.effect === "reload" ? "Load again" : asked.over ? "Begin to end them" : "End now";

// facts are what an operator has to know before.
function facts(asked, preview) {
  const { within, grace } = latest.now?.status.promise ?? latest.hello ?? {};
  const all = [];
  const people = latest.now?.status.signed_in;
  if (!preview && asked.scope === "everyone") all.push(["About how many", people ? `${about(people.subjects, "person", "people")}, with ${about(people.sessions, "session", "sessions")}` : "Not known now"]);
  if (asked.before) all.push(["Began until", clock(asked.before)]);
  if (within) {
    const away = latest.now?.status.state !== "synced";
    all.push(["By when", away ? "At once at the replica that takes it, and at the others as soon as the store answers again."
      : `Within ${seconds(within)} at every replica that reaches the store, and within ${seconds(grace)} at any other.`]);
  }
  if (asked.over) all.push(["All have ended", `${duration(asked.over)} later`]);
  all.push(["In force already", inForce(preview)]);
  if (asked.scope === "everyone" && asked.effect !== "reload") all.push(["You", yours(asked)]);
  all.push(["Reason", asked.reason || "None given"]);
  return all;
}

// yours says what becomes of the operator's own session.
function yours({ effect, over }) {
  if (effect === "require_login") return "You have to sign in again, too.";
  return over ? "Your own session ends in that time, too. Then sign in again." : "Your own session ends, too. The console signs you in again at once.";
}

function inForce(preview) {
  if (!preview) return "Not known";
  const { revoked, since, effects = [] } = preview.found;
  const said = effects.map(e => effect(e.effect, e.over) + (e.since ? ` (until ${clock(e.since)})` : ""));
  if (revoked) said.unshift(since ? `ended, if begun until ${clock(since)}` : "ended");
  return said.join(", ") || "Nothing";
}

async function revoke(asked) {
  await send(asked);
  $("revoke-reason").value = "";
  return $("done-title");
}

// send revokes. To ask again means the sessions that began until the first time, not until then.
function send(asked) {
  const fixed = asked.before || asked.over || asked.scope === "session" ? asked : { ...asked, before: new Date(present()).toISOString() };
  return new Receipt(asked, () => send(fixed)).send();
}

// propose fills the form in, for another section.
export function propose(scope, id) {
  choose("scope", scope);
  $("revoke-id").value = id ?? "";
}

export function setUp() {
  for (const radio of document.querySelectorAll('input[name="scope"], input[name="effect"]')) radio.addEventListener("change", fit);
  $("over").addEventListener("focus", () => choose("effect", "over"));
  $("revoke-id").addEventListener("input", () => fault($("revoke-id"), ""));
  on("hello", bound);
  fit();
  if (!may("revoke")) {
    $("revoke-button").disabled = true;
    put("revoke-why", "Your token does not have the role “revoke”. You can look everything up.");
  }
  $("revoke-form").addEventListener("submit", event => {
    event.preventDefault();
    if (may("revoke")) busy($("revoke-button"), ask);
  });
}
