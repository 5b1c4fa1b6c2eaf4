// The session of the operator. What the operator does keeps it alive; what the page asks by itself does
// not. The script of tab/ warns before the session ends.

const pace = 60_000; // ms between two renewals

let ours = false; // there is a session: a caller whom the application recognises by other means has none
let renewed = Date.now();
let leaving = false;

// Calls under way. One of them may end the session and bring another one, some seconds later.
const calls = new Set();

export function during(call) {
  calls.add(call);
  const over = () => calls.delete(call);
  call.then(over, over);
  return call;
}

// quiet waits until no call is under way.
export const quiet = () => Promise.allSettled(calls);

// leave goes to the form, which says why the session has ended, unless there is a new session already: a
// revocation of everyone ends the operator's session too, and its answer brings another one.
export async function leave() {
  if (leaving) return;
  leaving = true;
  await quiet();
  await new Promise(done => setTimeout(done, 500));
  const answer = await fetch("tab/state", { cache: "no-store" }).catch(() => null);
  const state = await answer?.json().catch(() => ({}));
  leaving = Boolean(state && !state.who); // without an answer there is no form to go to
  if (!leaving) return;
  sessionStorage.setItem("wafer-console-ended", state.reason ?? ""); // see farewell.js
  location.replace("./");
}

async function renew() {
  if (!ours || Date.now() - renewed < pace) return;
  renewed = Date.now();
  await fetch("tab/state", { method: "POST", cache: "no-store" }).catch(() => {}); // the next one may succeed
}

// watch begins to follow the session, once the replica has said that there is one.
export function watch(until) {
  if (ours || !until) return;
  ours = true;
  const script = document.createElement("script");
  script.src = "tab/tab.js";
  Object.assign(script.dataset, {
    login: "./", again: "Sign in again", stay: "Stay signed in",
    warning: "You will be signed out soon, because nobody uses the console here.",
    last: "You have been signed in for as long as is possible. Sign in again in a new window, and this page goes on.",
  });
  document.head.append(script);
}

export function setUp() {
  for (const use of ["pointerdown", "keydown"]) addEventListener(use, renew);
  document.addEventListener("wafer:ended", event => {
    if (event.detail?.who) return; // the time is over and the network away: the script hides the page
    event.preventDefault();
    leave();
  });
}
