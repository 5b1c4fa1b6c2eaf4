// The console: what an operator sees and does. Everything on the page comes from the admin API.

import { $, attribute, put } from "./dom.js";
import * as charts from "./charts.js";
import * as history from "./history.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as lookup from "./lookup.js";
import * as replicas from "./replicas.js";
import * as revoke from "./revoke.js";
import * as sections from "./sections.js";
import * as session from "./session.js";
import * as trail from "./trail.js";
import { about, brief, clock, seconds, zone } from "./words.js";

// vitals shows the numbers at the top.
function vitals({ status, replicas: all, enforced }) {
  put("vital-replicas", all ? replicas.summary(all) : "not known");
  put("vital-people", status.signed_in ? about(status.signed_in.subjects, "", "").trim() : "not known");
  const pace = history.pace(now => history.total(now.status.counters.decisions));
  put("vital-decisions", pace === null ? "–" : `${pace < 10 ? pace.toFixed(1) : Math.round(pace)} /s`);
  put("vital-enforced", enforced?.count ? seconds(enforced.p99) : "–");
  put("vital-age", seconds(status.age));
}

// situation says in a sentence or two whether all is well, and if not, what still works. It names no
// number that changes all the time, because it is read aloud when it changes.
function situation({ status, replicas: all }) {
  const { within, grace } = status.promise;
  const late = all?.filter(r => r.state !== "synced").length ?? 0;
  let kind = "good", text = `Every replica follows the list. What you revoke is enforced within ${seconds(within)}, and within ${seconds(grace)} by a replica that loses the store.`;
  if (status.state === "disabled") {
    [kind, text] = ["bad", "This application has no revocation list. Nothing can be revoked; keys can be rotated."];
  } else if (status.state === "booting") {
    [kind, text] = ["wait", "This replica has not read the list yet. Sessions get 503 until it has."];
  } else if (status.state === "closed") {
    [kind, text] = ["wait", "This replica is shutting down. The page connects again by itself."];
  } else if (status.state === "stale") {
    [kind, text] = ["wait", "This replica cannot read the list in time. It asks the store about each session, so what you revoke is enforced here too."];
  } else if (status.state !== "synced" || !all) {
    [kind, text] = ["bad", `The store does not answer. Signed-in people go on for up to ${seconds(grace)}, and what is revoked stays revoked. You can revoke: this replica refuses at once, and tells the others when the store is back. Charts and audit records go on.`];
  } else if (late) {
    [kind, text] = ["wait", "Some replicas do not follow the list. The section Replicas says which. They decide with care until they do."];
  }
  attribute($("situation"), "class", "situation " + kind);
  put("situation", text);
  document.body.classList.toggle("away", kind === "bad");
}

// liveness says whether the page hears from its replica. Without it, all numbers are those of then.
function liveness(state) {
  const is = state === true;
  attribute($("live"), "class", "pill " + (is ? "good live" : "wait"));
  put("live-text", is ? "live" : "not live, trying again");
  $("vitals").classList.toggle("old", !is);
  if (is) return;
  attribute($("situation"), "class", "situation wait");
  put("situation", live.latest.at ? `Nothing was heard since ${clock(live.latest.at)}. All numbers are from then. The page asks again by itself; you need not do anything.`
    : "The application does not answer. The page asks again by itself; you need not do anything.");
}

put("zone", ` (${zone()})`);
for (const part of [session, revoke, lookup, replicas, keys, charts, trail]) part.setUp();
sections.setUp();
history.setUp(charts.draw);
live.on("hello", hello => put("here", brief(hello.replica)));
live.on("hello", hello => session.watch(hello.session_until));
live.on("live", liveness);
live.on("now", situation);
live.on("now", vitals);
live.follow();
