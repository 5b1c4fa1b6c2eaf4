// The page of the demo. No framework; everything it knows it asks from the demo itself.

const $ = id => document.getElementById(id);
const actors = {
  you:   { name: "You",        hint: "this browser" },
  thief: { name: "A thief",    hint: "with your cookie", offer: "Let it be copied", again: "Copy again", need: "me" },
  phone: { name: "Your phone", hint: "its own login",    offer: "Sign in there",    again: "Sign in again", need: "me" },
  other: { name: "Marie",      hint: "somebody else",    offer: "Sign her in",      again: "Sign in again" },
};
const strip = 60; // squares kept in a row; what does not fit is cut off by the style sheet

let me = null;        // what /api/session said last, null when signed out
let left = null;      // why there is no session, if there was one
let ended = null;     // the last sign-out: when, and what became of whom
let within = 2;       // seconds, as promised
let replicas = 0;
let pace = 500;       // ms between two rounds
let cutAt = 0;        // when the last sign-out was answered
let rest = 0;         // no need to ask who we are before

// ---- asking ----

async function call(path, form) {
  const options = { headers: { Accept: "application/json" }, cache: "no-store" };
  if (form !== undefined) {
    options.method = "POST";
    options.body = new URLSearchParams(form);
  }
  const response = await fetch(path, options);
  let body = {};
  try { body = await response.json(); } catch { /* an answer without a body */ }
  return { ok: response.ok, status: response.status, replica: Number(response.headers.get("Wafer-Replica")), body };
}

// ---- the rows ----

function buildRows() {
  for (const [key, a] of Object.entries(actors)) {
    const row = element("div", "actor idle");
    const name = element("span", "name", a.name);
    name.append(element("span", "hint", a.hint));
    a.pill = element("span", "pill", "");
    a.button = element("button");
    a.button.addEventListener("click", () => enter(key));
    const head = element("header");
    head.append(name, a.pill, a.button);
    a.strip = element("div", "strip");
    a.strip.ariaHidden = "true";
    row.append(icon(key), head, a.strip);
    a.row = row;
    a.id = key === "you" ? "me" : sessionStorage.getItem(key);
    $("actors").append(row);
    show(key);
  }
}

function show(key) {
  const a = actors[key];
  a.row.classList.toggle("idle", !a.strip.childElementCount);
  a.button.hidden = !a.offer || (Boolean(a.id) && a.last?.status !== 401);
  a.button.disabled = a.need === "me" && !me;
  put(a.button, (a.last ? a.again : a.offer) ?? "");
  a.pill.hidden = !a.last;
  if (!a.last) return;
  const { status, reason } = a.last;
  a.pill.className = "pill " + (status === 200 ? "in" : status === 401 ? "out" : "");
  let text = status === 200 ? "let in" : status === 503 ? "undecided" : "refused";
  if (key === "you" && status === 401 && !left) { text = "signed out"; a.pill.className = "pill"; }
  else if (status === 401 && reason?.startsWith("revoked")) text = reason.replace("revoked_", "") + " revoked";
  put(a.pill, text);
}

// square adds an answer to a row, and lights the replica that gave it.
function square(key, sent, status, replica, reason) {
  const a = actors[key];
  a.last = { status, reason };
  const anonymous = key === "you" && status === 401 && !left;
  const kind = status === 200 ? "in" : status === 503 ? "unsure" : anonymous ? "off" : "out";
  const cut = a.strip.querySelector(".cut");
  a.strip.insertBefore(element("i", kind, replica || "–"), sent < cutAt ? cut : null); // asked before the sign-out, answered after
  while (a.strip.childElementCount > strip) a.strip.firstChild.remove();
  light(replica, status === 200 || anonymous);
  show(key);
}

function light(replica, accepted) {
  const disc = document.querySelector(`[data-replica="${replica}"] .disc`);
  if (!disc) return;
  disc.classList.remove("lit", "lit-no");
  void disc.offsetWidth; // restarts the animation
  disc.classList.add(accepted ? "lit" : "lit-no");
}

// ---- bringing others on stage ----

async function enter(key) {
  const a = actors[key];
  const user = key === "other" ? "marie" : me?.subject;
  const answer = key === "thief" ? await call("/stage/thief", {}) : await call("/stage/browser", { user });
  if (!answer.ok) return tell("That did not work: " + (answer.body.error ?? answer.status));
  a.id = answer.body.id;
  a.last = null;
  a.strip.replaceChildren();
  sessionStorage.setItem(key, a.id);
  if (key === "thief") {
    $("loot-code").textContent = answer.body.curl;
    $("loot").hidden = false;
    tell("The thief has your cookie.", `All ${answer.body.bytes} bytes of your session. Nothing in it says in whose hands it is, so for now it is as good as yours.`);
  } else if (key === "phone") {
    tell("Your phone signed in.", "The same person, but a session id of its own and a cookie of its own.");
  } else {
    tell("Marie signed in.", "Whatever you sign out of, she should not notice.");
  }
  if (ended) { ended = null; verdict(""); }
  round();
}

// ---- the rounds ----

let busy = false;

async function round() {
  if (busy) return;
  busy = true;
  try {
    await Promise.all(Object.keys(actors).filter(key => actors[key].id).map(ask));
  } finally {
    busy = false;
  }
}

async function ask(key) {
  const a = actors[key], id = a.id, sent = performance.now();
  try {
    if (key === "you") {
      if (sent < rest) return;
      const answer = await call("/api/me"); // answers 200 always: a console shows anything else as a mistake
      const status = answer.body.status ?? answer.status;
      if (status === 200) { me = answer.body; left = null; }
      if (status === 401) {
        left = answer.body.error === "not_logged_in" ? null : answer.body.error;
        if (me && left) tell(`You were refused, by replica ${answer.replica}.`, `Not by a sign-out of yours: ${left.replaceAll("_", " ")}.`);
        me = null;
      }
      square(key, sent, status, answer.replica, answer.body.error);
      if (!me) rest = sent + 4000; // perhaps another tab signs in
      showMe();
      return;
    }
    const answer = await call("/stage/" + id);
    if (a.id !== id) return; // replaced meanwhile
    if (answer.status === 404) {  // the demo was started anew and has forgotten this browser
      a.id = null;
      a.last = null;
      sessionStorage.removeItem(key);
      return show(key);
    }
    if (!answer.ok) return;
    square(key, sent, answer.body.status, answer.body.replica, answer.body.reason);
    judge(key, sent, answer.body);
  } catch {
    a.pill.hidden = false;
    a.pill.className = "pill";
    a.pill.textContent = "the demo does not answer";
  }
}

async function lookAround() {
  const answer = await call("/api/replicas").catch(() => null);
  if (!answer?.ok) return;
  within = answer.body.within;
  const list = answer.body.replicas;
  if (replicas !== list.length) {
    replicas = list.length;
    $("replicas").replaceChildren(...list.map(r => {
      const item = element("li", "");
      item.dataset.replica = r.replica;
      item.append(element("span", "disc", r.replica), element("b", "", "Replica " + r.replica), element("small", "", ""));
      return item;
    }));
  }
  showBehind(answer.body);
  let decided = 0, asked = 0;
  for (const r of list) {
    decided += r.accepted + r.refused;
    asked += r.asked;
    $("replicas").querySelector(`[data-replica="${r.replica}"] small`).textContent = `${number(r.accepted)} let in · ${number(r.refused)} refused`;
  }
  $("gauge").replaceChildren(element("b", "", number(decided)), " requests decided in memory · store asked ", element("b", "", number(asked)), " times (each sign-in asks once)");
  $("cookie").textContent = answer.body.cookie_bytes ? `${answer.body.cookie_bytes} bytes, stored nowhere else` : "";
}

// ---- behind the scenes ----

function showBehind({ stopped, kid, replicas: list }) {
  const states = list.map(r => r.state);
  const late = states.some(s => s !== "synced");
  $("store").className = "pill " + (stopped ? "out" : late ? "" : "in");
  put("store", stopped ? (late ? "stopped, and the replicas know" : "stopped") : late ? "answers again" : "answers");
  put("store-button", stopped ? "Start it again" : "Stop the store");
  $("store-button").dataset.stop = stopped ? "false" : "true";
  put("kid", kid);
}

$("store-button").addEventListener("click", async () => {
  const stop = $("store-button").dataset.stop === "true";
  const answer = await call("/stage/store", { stopped: stop });
  if (!answer.ok) return tell("That did not work: " + (answer.body.error ?? answer.status));
  if (stop) {
    tell("The store of the list is stopped.", "Nobody is signed out: each replica decides from memory, for half an hour. A sign-out now answers with an error, is refused by the replica that took it, and reaches the others when the store is back.");
  } else {
    tell("The store answers again.", "The replicas read what they missed, and send what waited for it.");
  }
  await lookAround();
});

$("rotate-button").addEventListener("click", async () => {
  const answer = await call("/stage/rotate", {});
  if (!answer.ok) return tell("The key was not rotated: " + (answer.body.error ?? answer.status));
  tell(`The key ${answer.body.kid} seals from now on.`, "Nobody was signed out: the old key opens for as long as a session can live. In a fleet the new key waits until every replica has it.");
  await lookAround();
});

// ---- you ----

function showMe() {
  $("login").hidden = Boolean(me);
  $("session").hidden = !me;
  $("outside").hidden = !me;
  $("outside-none").hidden = Boolean(me);
  $("why").textContent = me ? "" : left ? `You were signed in, and then refused: ${left.replaceAll("_", " ")}.` : "";
  for (const key of ["thief", "phone"]) show(key);
  if (!me) return;
  put("subject", me.subject);
  put("avatar", [...me.subject][0]);
  put("sid", me.sid);
  put("started", clock(me.started));
  put("expires", clock(me.expires));
  if (document.activeElement !== $("text") && !$("text").dataset.dirty) $("text").value = me.data.note;
  put("revoke-code", `export WAFER_ADMIN_TOKEN=…\n\ncurl ${location.origin}/admin/revocations \\\n  -H "Authorization: Bearer $WAFER_ADMIN_TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d '{"scope":"session","id":"${me.sid}"}'`);
}

$("login").addEventListener("submit", async event => {
  event.preventDefault();
  const user = $("user").value.trim();
  const answer = await call("/login", { user });
  if (!answer.ok) return tell("The login did not succeed: " + answer.body.error);
  tell(`Signed in as ${user}, by replica ${answer.replica}.`, "It asked the list once whether you are barred, sealed the session into your cookie and forgot it. Nothing was written anywhere.");
  $("text").value = "";
  await after();
});

$("note").addEventListener("submit", async event => {
  event.preventDefault();
  const answer = await call("/note", { text: $("text").value });
  if (!answer.ok) return tell("The note was not kept: " + answer.body.error);
  delete $("text").dataset.dirty;
  $("text").blur();
  tell(`Note kept, by replica ${answer.replica}.`, "It opened your cookie, changed the data and sealed it again. The next replica reads it from there.");
  await after();
});
$("text").addEventListener("input", () => { $("text").dataset.dirty = "1"; });

const endings = {
  "/logout": ["Signed out here", "One entry in the list: this session. Every replica reads the list five times a second.", ["thief"]],
  "/logout-others": ["Signed out of your other browsers", "One entry for all your sessions, and one for your old session id. Yours goes on under a new one, so even a copy of your cookie is dead.", ["thief", "phone"]],
  "/logout-everywhere": ["Signed out everywhere", "One entry for all your sessions that began until now. Signing in again begins a new one.", ["thief", "phone"]],
};
for (const button of document.querySelectorAll("[data-end]")) {
  button.addEventListener("click", async () => {
    const path = button.dataset.end;
    const [what, how, doomed] = endings[path];
    const alive = doomed.filter(key => actors[key].id && actors[key].last?.status === 200);
    const answer = await call(path, {});
    if (!answer.ok && answer.status !== 503) return tell("Not signed out: " + answer.body.error);
    if (!answer.ok && path !== "/logout") return tell("Not signed out: the store does not answer.", "Ending other sessions and going on as a new one is one step of the store, so it waits until the store is back.");
    if (!answer.ok) {
      me = null;
      tell(`Signed out in this browser, by replica ${answer.replica}, but the store does not answer.`, "That replica refuses the session from now on. The others hear of it when the store is back, so the answer was an error: a copy of the cookie may still get in there.");
      return after();
    }
    cutAt = performance.now();
    for (const a of Object.values(actors)) {
      a.strip.querySelector(".cut")?.remove();
      if (a.strip.childElementCount) a.strip.append(element("i", "cut"));
    }
    if (path !== "/logout-others") { me = null; left = null; }
    ended = { at: cutAt, open: new Map(alive.map(key => [key, new Set()])), last: 0 };
    tell(`${what}, by replica ${answer.replica}.`, how);
    verdict(alive.length ? "Waiting for every replica to refuse…" : "", true);
    pace = 120;
    await after();
  });
}

async function after() {
  rest = 0;
  await round();
  await lookAround();
}

// judge watches whoever a sign-out should keep out, until every replica has refused them.
function judge(key, sent, answer) {
  const refusedBy = ended?.open.get(key);
  if (!refusedBy || sent < ended.at) return;
  const now = (performance.now() - ended.at) / 1000;
  if (answer.status === 200) {
    ended.last = Math.max(ended.last, now);
    refusedBy.delete(answer.replica);
  } else if (answer.status === 401) {
    refusedBy.add(answer.replica);
  }
  if ([...ended.open.values()].every(by => by.size >= replicas)) {
    const names = [...ended.open.keys()].map(k => actors[k].name.toLowerCase()).join(" and ");
    const text = ended.last === 0
      ? `Every replica refused ${names} from the first try. Promised: within ${within} s.`
      : `${names[0].toUpperCase() + names.slice(1)} got in for another ${ended.last.toFixed(2)} s, then never again. Promised: ${within} s.`;
    verdict(text);
    tell("Refused by all replicas.", text);
    ended = null;
    pace = 500;
  }
}

function verdict(text, waiting = false) {
  $("verdict").textContent = text;
  $("verdict").classList.toggle("waiting", waiting);
}

// ---- small things ----

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}
function icon(key) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.ariaHidden = "true";
  const drawing = $(key + "-icon").cloneNode(true);
  drawing.removeAttribute("id");
  svg.append(drawing);
  return svg;
}
// put leaves what has not changed alone: a selection, a screen reader.
function put(where, text) {
  const e = typeof where === "string" ? $(where) : where;
  if (e.textContent !== text) e.textContent = text;
}
function number(n) { return n.toLocaleString("en"); }
function clock(at) { return new Date(at).toLocaleTimeString("en-GB"); }

function tell(text, detail) {
  const item = element("li", "");
  const words = element("div", "", text);
  if (detail) words.append(element("small", "", detail));
  item.append(element("time", "", clock(Date.now())), words);
  $("log").querySelector(".empty")?.remove();
  $("log").prepend(item);
  while ($("log").childElementCount > 40) $("log").lastChild.remove();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText($(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

async function loop() {
  if (!document.hidden) await round();
  setTimeout(loop, pace);
}
async function slowLoop() {
  if (!document.hidden) await lookAround();
  setTimeout(slowLoop, 1000);
}

buildRows();
showMe();
slowLoop();
loop();
