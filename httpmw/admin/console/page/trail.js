// The section with the audit trail: what the answering replica recorded, and the log of the list.

import { $, busy, choose, chosen, columns, element, nothing, put, row } from "./dom.js";
import { call } from "./api.js";
import { onShow } from "./sections.js";
import { brief, count, duration, when } from "./words.js";

const page = 50; // rows that are shown at once

// Each source reads lines, newest first, and makes rows of them.
const sources = {
  audit: {
    about: "The newest records that the answering replica wrote: 1,000 of what operators and programs did, and 1,000 of what users did and of revocations in bulk. Your audit log has those of all replicas.",
    kinds: [["", "all records"], ["revoke", "revocations"], ["keys", "changes of the ring"], ["refused", "refused calls"], ["sign_in", "sign-ins"]],
    has: (line, kind) => line.action === kind || kind === "revoke" && line.action === "revoke_many",
    more: async () => ({ lines: (await call("GET", "audit")).records }),
    cells: line => [when(line.time), who(line), did(line), targetOf(line), why(line)],
  },
  log: {
    about: "What every replica made, as the store has it, for as long as the list remembers, but at most 24 hours. Who and why are known for what the answering replica made itself.",
    kinds: [["", "all"], ["session", "sessions"], ["subject", "people"], ["group", "groups"], ["key", "keys"], ["everyone", "everyone"]],
    has: (line, kind) => line.scope === kind,
    more: async (kind, before) => {
      const { revocations, next } = await call("GET", `revocations?limit=${page}${kind && `&scope=${kind}`}${before && `&before=${before}`}`);
      return { lines: revocations, next };
    },
    cells: line => [when(line.at), who(line), effectOf(line), tag(line.scope, line.tag), why(line)],
  },
};

let lines = [], next = "", shown = page, source = "audit";
let reads = 0; // so that only the newest answer counts

async function read() {
  const from = sources[source], nth = ++reads;
  let got;
  try {
    got = await from.more($("trail-kind").value, next);
    if (nth !== reads) return;
  } catch (refusal) {
    if (nth !== reads) return;
    put("trail-say", refusal.message);
    if (!lines.length) $("trail-body").replaceChildren(nothing($("trail-table"), "Nothing to show now. Audit records can be read without the store."));
    return;
  }
  lines = next ? lines.concat(got.lines) : got.lines;
  next = got.next ?? "";
  show();
}

function again() {
  next = "";
  shown = page;
  return read();
}

function show() {
  const from = sources[source], kind = $("trail-kind").value, text = $("trail-text").value.trim().toLowerCase();
  const found = lines.filter(l => (!kind || from.has(l, kind)) && (!text || JSON.stringify(l).toLowerCase().includes(text)));
  const table = columns($("trail-table"));
  const rows = found.slice(0, shown).map(line => row(table, from.cells(line), { class: line.error || line.action === "refused" ? "bad" : null }));
  const empty = lines.length ? "Nothing has that. Try fewer letters." : "Nothing yet. What is revoked or refused, and each change of the ring, stands here.";
  $("trail-body").replaceChildren(...(rows.length ? rows : [nothing($("trail-table"), empty)]));
  $("trail-older").hidden = found.length <= shown && !next;
  put("trail-say", `${count(Math.min(found.length, shown), "line")} of ${found.length}${next ? " read so far" : ""}.`);
}

const who = ({ actor, claimed_actor: claimed, via }) => {
  const name = actor?.startsWith("subject:") ? ["a person ", element("code", { title: actor }, brief(actor.slice(8)))] : [actor || (via ? "not known" : "not known here")];
  return [...name, claimed && element("small", {}, `for ${claimed}`), via && element("small", {}, ways[via] ?? via)].filter(Boolean);
};

const ways = { application: "the application", session: "signed out", admin: "admin API", command: "wafer command" };

function effectOf({ effect, over, since, until }) {
  const text = effect === "require_login" ? "locked until a login" : effect === "reload" ? "data loaded again" : over ? `ends over ${duration(over)}` : "ended";
  return [text, since && element("small", {}, "begun until ", when(since)), until && element("small", {}, "kept until ", when(until))].filter(Boolean);
}

function did(line) {
  const failed = line.error && element("small", { class: "failed" }, "failed: " + line.error);
  if (line.action === "keys") return [ringWords(line.ring ?? {}), failed].filter(Boolean);
  if (deeds[line.action]) return deeds[line.action];
  if (line.action === "refused") return `refused: ${line.call?.code ?? ""}${line.call?.unlogged ? `, and ${count(line.call.unlogged, "more")}` : ""}`;
  if (line.action === "revoke_many") return [`revoked ${count(line.count ?? 0, "target")} at once`, failed].filter(Boolean);
  return [...effectOf(line), line.changed === false && !line.error && element("small", {}, "was in force already"), failed].filter(Boolean);
}

const deeds = { sign_in: "signed in to the console", reset: "deleted a list that replicas could not follow" };

const ringWords = ({ what, options }) => `${{ rotate: "rotated the key", cancel: "took a rotation back", prune: "removed expired keys", extend: "allowed longer sessions", revoke: "revoked a key" }[what] ?? (what || "changed the ring")}${options ? ` (${options.replace("_", " ")})` : ""}`;

function targetOf(line) {
  if (line.target) return tag(line.target.scope, line.target.tag);
  const { added = [], removed = [], revoked = [] } = line.ring ?? {};
  if (line.call) return `${line.call.method ?? ""} ${line.call.path ?? ""}`.trim() || "–";
  const some = [["added", added], ["removed", removed], ["revoked", revoked]].filter(([, kids]) => kids.length);
  return some.length ? some.map(([did, kids]) => element("small", {}, `${did} `, element("code", {}, kids.join(", ")))) : "–";
}

const scopes = { session: "a session", subject: "a person", group: "a group", key: "a key", everyone: "everyone" };
const tag = (scope, tag) => scope === "everyone" ? "everyone" : [scopes[scope] ?? scope, element("small", {}, element("code", { title: tag }, brief(tag)))];

const why = ({ reason, address }) => [reason || element("span", { class: "none" }, "–"), address && element("small", {}, "from " + address)].filter(Boolean);

function change() {
  source = chosen("from");
  $("trail-kind").replaceChildren(...sources[source].kinds.map(([value, text]) => element("option", { value }, text)));
  put("trail-about", sources[source].about);
  lines = [];
  again();
}

// search shows the records that have a text, for another section.
export function search(text) {
  $("trail-text").value = text;
  choose("from", "audit");
}

export function setUp() {
  for (const radio of document.querySelectorAll('input[name="from"]')) radio.addEventListener("change", change);
  $("trail-kind").addEventListener("change", () => source === "log" ? again() : show());
  $("trail-text").addEventListener("input", show);
  $("trail-older").addEventListener("click", () => busy($("trail-older"), async () => {
    shown += page;
    await (next ? read() : show());
  }));
  $("trail-form").addEventListener("submit", event => {
    event.preventDefault();
    busy($("trail-again"), again);
  });
  onShow("trail", visible => visible && (lines.length ? again() : change()));
}
