// The page of the demo, without a framework. Everything it shows comes from the demo's own API.

const $ = id => document.getElementById(id);
const actors = {
  you:   { name: "You",        hint: "this browser" },
  thief: { name: "The thief",   hint: "with your cookie", offer: "Copy the cookie", again: "Copy again", need: "me" },
  phone: { name: "Your phone", hint: "its own login",    offer: "Sign in there",    again: "Sign in again", need: "me" },
  other: { name: "Marie",      hint: "another user",     offer: "Sign her in",      again: "Sign in again" },
};
const strip = 60; // squares kept in a row; the style sheet hides those that do not fit

let me = null;        // the last answer of /api/me, null when signed out
let left = null;      // why the last session was refused, if there was one
let ended = null;     // the last sign-out: when, and which browsers each replica refused since
let within = 2;       // seconds, as promised
let replicas = 0;
let pace = 500;       // ms between two rounds
let cutAt = 0;        // when the last sign-out was answered
let rest = 0;         // do not ask who we are before this time

// ---- asking ----

async function call(path, form) {
  const options = { headers: { Accept: "application/json" }, cache: "no-store" };
  if (form !== undefined) {
    options.method = "POST";
    options.body = new URLSearchParams(form);
  }
  const response = await fetch(path, options);
  let body = {};
  try { body = await response.json(); } catch { /* no body */ }
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
  let text = status === 200 ? "accepted" : status === 503 ? "undecided" : "refused";
  if (key === "you" && status === 401 && !left) { text = "signed out"; a.pill.className = "pill"; }
  else if (reason === "login_required") text = "login required";
  else if (status === 401 && reason?.startsWith("revoked")) text = reason.replace("revoked_", "") + " revoked";
  put(a.pill, text);
}

// square adds an answer to a row, and lights up the replica that gave it.
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

// ---- the other browsers ----

async function enter(key) {
  const a = actors[key];
  const user = key === "other" ? "marie" : me?.subject;
  const answer = key === "thief" ? await call("/stage/thief", {}) : await call("/stage/browser", { user });
  if (!answer.ok) return tell("That failed: " + (answer.body.error ?? answer.status));
  a.id = answer.body.id;
  a.last = null;
  a.strip.replaceChildren();
  sessionStorage.setItem(key, a.id);
  if (key === "thief") {
    $("loot-code").textContent = answer.body.curl;
    $("loot").hidden = false;
    tell("The thief has your cookie.", `All ${answer.body.bytes} bytes of it. Nothing in a cookie says who holds it, so the copy works as well as yours.`);
  } else if (key === "phone") {
    tell("Your phone signed in.", "It is the same user, but a separate session with its own id and cookie.");
  } else {
    tell("Marie signed in.", "She is another user, so none of your sign-outs affects her.");
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
      const answer = await call("/api/me"); // always answers 200: browsers log every other status as an error
      const status = answer.body.status ?? answer.status;
      if (status === 200) {
        if (!me) checkTab();
        me = answer.body;
        left = null;
        judgeRole(sent, answer.replica);
      }
      if (status === 401) {
        left = answer.body.error === "not_logged_in" ? null : answer.body.error;
        if (me && left) tell(`Replica ${answer.replica} refused your session.`, `You did not sign out here. The reason is: ${left.replaceAll("_", " ")}.`);
        if (left === "login_required" && !$("user").value) $("user").value = answer.body.locked;
        me = null;
      }
      square(key, sent, status, answer.replica, answer.body.error);
      if (!me) rest = sent + 4000; // another tab may sign in
      showMe();
      return;
    }
    const answer = await call("/stage/" + id);
    if (a.id !== id) return; // replaced in the meantime
    if (answer.status === 404) {  // the demo was restarted and does not know this browser
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
    a.pill.textContent = "no answer from the demo";
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
    $("replicas").querySelector(`[data-replica="${r.replica}"] small`).textContent = `${number(r.accepted)} accepted · ${number(r.refused)} refused`;
  }
  $("gauge").replaceChildren(element("b", "", number(decided)), " requests decided from memory · store asked ", element("b", "", number(asked)), " times (at sign-ins)");
  $("cookie").textContent = answer.body.cookie_bytes ? `${answer.body.cookie_bytes} bytes, not stored on any server` : "";
  await showDevices();
}

// ---- the store and the key ----

function showBehind({ stopped, kid, replicas: list }) {
  const states = list.map(r => r.state);
  const late = states.some(s => s !== "synced");
  $("store").className = "pill " + (stopped ? "out" : late ? "" : "in");
  put("store", stopped ? (late ? "stopped, and the replicas noticed" : "stopped") : late ? "catching up" : "running");
  put("store-button", stopped ? "Start the store" : "Stop the store");
  $("store-button").dataset.stop = stopped ? "false" : "true";
  put("kid", kid);
}

$("store-button").addEventListener("click", async () => {
  const stop = $("store-button").dataset.stop === "true";
  const answer = await call("/stage/store", { stopped: stop });
  if (!answer.ok) return tell("That failed: " + (answer.body.error ?? answer.status));
  if (stop) {
    tell("The store is stopped.", "Nobody is signed out: each replica decides from memory, for up to half an hour. If you sign out now, you get an error. The replica that takes the sign-out refuses the session at once, and the others do so once the store is back.");
  } else {
    tell("The store is running again.", "The replicas read what they missed and send the sign-outs that waited.");
  }
  await lookAround();
});

$("rotate-button").addEventListener("click", async () => {
  const answer = await call("/stage/rotate", {});
  if (!answer.ok) return tell("The key was not rotated: " + (answer.body.error ?? answer.status));
  tell(`Key ${answer.body.kid} now seals.`, "Nobody was signed out: the old key still opens sessions for as long as they can live. In production, a new key waits until every replica has it.");
  await lookAround();
});

// ---- you ----

// The script of /tab/ hides a page whose session has ended. This one goes on after its own sign-out, to show what others get.
let leaving = -Infinity; // when the last sign-out here was sent
document.addEventListener("wafer:ended", event => { if (event.detail.reason === "login_required" || performance.now() - leaving < 5000) event.preventDefault(); });
const checkTab = () => document.dispatchEvent(new Event("wafer:check"));

function showMe() {
  $("login").hidden = Boolean(me);
  $("session").hidden = !me;
  $("outside").hidden = !me;
  $("outside-none").hidden = Boolean(me);
  $("why").textContent = me ? "" : left === "login_required" ? "Your session and its note wait. Sign in under the same name, and they go on." : left ? `Your session was refused: ${left.replaceAll("_", " ")}.` : "";
  for (const key of ["thief", "phone"]) show(key);
  for (const button of document.querySelectorAll("[data-me]")) button.disabled = !me;
  if (!me) return;
  put("subject", me.subject);
  put("avatar", [...me.subject][0]);
  put("sid", me.sid);
  put("methods", (me.methods ?? []).join(", "));
  put("role", me.data.role);
  put("started", clock(me.started));
  put("expires", clock(me.expires));
  if (document.activeElement !== $("text") && !$("text").dataset.dirty) $("text").value = me.data.note;
  put("revoke-code", `export WAFER_ADMIN_TOKEN=…\n\ncurl ${location.origin}/admin/revocations \\\n  -H "Authorization: Bearer $WAFER_ADMIN_TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d '{"scope":"session","id":"${me.sid}"}'`);
}

$("login").addEventListener("submit", async event => {
  event.preventDefault();
  const user = $("user").value.trim(), waited = left === "login_required";
  const answer = await call("/login", { user });
  if (!answer.ok) return tell("Signing in failed: " + answer.body.error);
  tell(`Signed in as ${user}, by replica ${answer.replica}.`, waited ? "The session that waited goes on under a new id, with its note, if the name is the same." : "It asked the store once about revocations of this user, sealed the session into your cookie and kept no copy. Nothing was written to the store.");
  $("text").value = "";
  await after();
});

$("note").addEventListener("submit", async event => {
  event.preventDefault();
  const answer = await call("/note", { text: $("text").value });
  if (!answer.ok) return tell("The note was not saved: " + answer.body.error);
  delete $("text").dataset.dirty;
  $("text").blur();
  tell(`Replica ${answer.replica} saved the note.`, "It opened your cookie, changed the data and sealed it again. The next replica reads the note from the cookie.");
  await after();
});
$("text").addEventListener("input", () => { $("text").dataset.dirty = "1"; });

$("transfer").addEventListener("click", async () => {
  const answer = await call("/transfer", {});
  if (answer.ok) return tell(`Replica ${answer.replica} made the transfer.`, "Its route requires the method mfa, which your session has.");
  if (answer.body.error !== "methods") return tell("No transfer: " + answer.body.error);
  tell(`Replica ${answer.replica} refused the transfer.`, "Its route requires the method mfa, and you signed in with a password alone. The answer was 401, and your session stays as it is.");
});

$("factor").addEventListener("click", async () => {
  const answer = await call("/second-factor", {});
  if (!answer.ok) return tell("The second factor did not count: " + answer.body.error);
  tell(`Replica ${answer.replica} took the second factor.`, "Your session has a new id and the same note. The weaker session ended, so a copy of its cookie is refused.");
  await after();
});

// ---- the operator ----

let awaited = null; // the role that was given last, and when

$("role-button").addEventListener("click", async () => {
  const answer = await call("/role", {});
  if (!answer.ok) return tell("The role was not changed: " + answer.body.error);
  awaited = { role: answer.body.role, at: performance.now() };
  tell(`Replica ${answer.replica} made you ${answer.body.role} in its database.`, "The list got one entry: the next request of each of your sessions loads its data again.");
  await after();
});

// judgeRole tells when this session has its new role.
function judgeRole(sent, replica) {
  if (!awaited || sent < awaited.at || me.data.role !== awaited.role) return;
  const took = ((sent - awaited.at) / 1000).toFixed(2);
  tell(`Replica ${replica} has your new role, ${awaited.role}.`, `Your browser sent that request ${took} s after the change. Promised: within ${within} s. You did not sign in again, and your note stayed.`);
  awaited = null;
}

$("everybody").addEventListener("click", async () => {
  leaving = performance.now() + 60000; // the page stays, to show when the others are out
  const answer = await call("/everybody-out", {});
  if (answer.body.error === "under_way") return tell("That is under way.", "A second one could only make some sessions end later.");
  if (!answer.ok) return tell("Nobody is signed out: " + answer.body.error);
  tell("Everybody is out within a minute.", "The list got one entry. The id of a session decides when it ends, so the logins do not all come at once. If you sign in again, you stay in.");
  await after();
});

// ---- your devices ----

let listed = ""; // what is shown, so that the buttons stay while nothing changes

async function showDevices() {
  if (!me) return;
  const answer = await call("/api/devices").catch(() => null);
  if (!answer?.ok) return;
  const text = JSON.stringify(answer.body.devices);
  if (text === listed) return;
  listed = text;
  $("devices").replaceChildren(...answer.body.devices.map(d => {
    const item = element("li");
    item.append(element("span", "", d.label), element("small", "", d.current ? "this one" : "seen " + clock(d.seen)));
    if (!d.current) {
      const button = element("button", "", "Sign out");
      button.ariaLabel = "Sign out " + d.label;
      button.addEventListener("click", () => signOutDevice(d));
      item.append(button);
    }
    return item;
  }));
}

async function signOutDevice({ id, label }) {
  const answer = await call("/devices/sign-out", { id });
  if (!answer.ok) return tell(`${label} was not signed out: ` + answer.body.error);
  tell(`${label} was signed out, by replica ${answer.replica}.`, "The list of devices said that this session is yours, and the list of revocations got one entry, for that session.");
  await after();
}

const endings = {
  "/logout": ["Signed out here", "The list of revocations got one entry, for this session. Every replica reads new entries five times a second.", ["thief"]],
  "/logout-others": ["Signed out of your other browsers", "The list got an entry for all your sessions and one for your old session id. This session continues under a new id, so a copy of your old cookie is refused too.", ["thief", "phone"]],
  "/logout-everywhere": ["Signed out everywhere", "The list got one entry for all sessions you began before now. You can sign in again.", ["thief", "phone"]],
  "/require-login": ["A login is required", "The list got one entry for all your sessions. They stay, with your note, but no replica lets anybody use them before a login.", ["thief", "phone"]],
};
for (const button of document.querySelectorAll("[data-end]")) {
  button.addEventListener("click", async () => {
    const path = button.dataset.end;
    const [what, how, doomed] = endings[path];
    const alive = doomed.filter(key => actors[key].id && actors[key].last?.status === 200);
    leaving = performance.now();
    const answer = await call(path, {});
    checkTab();
    if (!answer.ok && answer.status !== 503) return tell("Not signed out: " + answer.body.error);
    if (!answer.ok && path !== "/logout") return tell("Not signed out: the store does not answer.", "Ending your other sessions needs the store. Try again when it is back.");
    if (!answer.ok) {
      me = null;
      tell(`Signed out in this browser, by replica ${answer.replica}, but the store does not answer.`, "That replica refuses the session from now on. The others learn of it when the store is back and may accept a copy of the cookie until then. That is why the answer was an error.");
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
    verdict(alive.length ? "Waiting until every replica has refused…" : "", true);
    pace = 120;
    await after();
  });
}

async function after() {
  rest = 0;
  await round();
  await lookAround();
}

// judge watches the browsers that a sign-out should end, until every replica has refused them.
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
      ? `Every replica refused ${names} at once. Promised: within ${within} s.`
      : `${names[0].toUpperCase() + names.slice(1)} got in for ${ended.last.toFixed(2)} s more, then no longer. Promised: at most ${within} s.`;
    verdict(text);
    tell("All replicas refused.", text);
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
// put changes text only if it differs, so that selections and screen readers are not disturbed.
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
