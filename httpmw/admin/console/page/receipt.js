// What became of a revocation: the replicas turn from "not yet" to "enforced".

import { $, attribute, busy, element, put } from "./dom.js";
import { call } from "./api.js";
import { Fleet } from "./fleet.js";
import { latest, on } from "./live.js";
import { events } from "./stream.js";
import { clock, count, effect, present, seconds, target, when } from "./words.js";

const kept = 8; // receipts on the page
const most = 2; // streams about receipts at a time: a browser has six connections

const waiting = new Map(); // receipts that the store has not taken, and their buttons
const followed = new Set(); // what stops the streams that are open

on("now", now => {
  if (now.status.state !== "synced") return;
  for (const [receipt, button] of waiting) receipt.back(button);
  waiting.clear();
});

const soon = 20; // ms; a replica that enforces it already is found within that

const capital = text => text[0].toUpperCase() + text.slice(1);

// A Receipt sends a revocation and shows what becomes of it.
export class Receipt {
  constructor(asked, again) {
    this.asked = asked;
    this.again = again;
  }

  // send revokes. It throws a Refusal if nothing was done.
  async send() {
    let answer;
    try {
      answer = await call("POST", "revocations", this.asked);
    } catch (refusal) {
      if (refusal.code !== "unavailable" && refusal.code !== "network") throw refusal;
      this.show();
      this.fail(refusal);
      return;
    }
    this.show();
    this.follow(answer); // goes on while the operator reads
  }

  show() {
    const { scope, id, over, reason } = this.asked;
    this.say = element("p", { class: "verdict" });
    this.fine = element("p", { class: "fine" });
    const list = element("ul", { class: "fleet" });
    this.fleet = new Fleet(list, "not yet", "enforced");
    const did = effect(this.asked.effect, over);
    this.card = element("li", {}, element("h4", {}, `${capital(target(scope, id))}: ${did}`), element("p", { class: "fine" }, when(new Date(present()).toISOString()), reason ? ` · ${reason}` : ""), this.say, list, this.fine);
    const cards = $("receipts");
    cards.querySelector(".empty")?.remove();
    cards.prepend(this.card);
    while (cards.childElementCount > kept) cards.lastChild.remove();
  }

  fail(refusal) {
    attribute(this.say, "class", "verdict bad");
    put(this.say, refusal.message);
    const button = element("button", { type: "button" }, "Ask again");
    button.addEventListener("click", () => busy(button, async () => {
      waiting.delete(this);
      await this.again().then(() => this.card.remove(), refusal => put(this.fine, refusal.message));
    }));
    this.card.append(button);
    put(this.fine, "The other replicas do not know of it yet.");
    put("done-say", "The store has not taken it yet.");
    waiting.set(this, button);
  }

  // back says that the store answers again. The replica sends by itself what waited for the store; to
  // ask again shows that it has.
  back(button) {
    attribute(button, "class", "primary");
    put(this.fine, "The store answers again. Ask again, and watch every replica enforce it.");
    put("done-say", this.fine.textContent);
  }

  async follow(answer) {
    for (const r of latest.now?.replicas ?? []) this.fleet.show(r, false);
    this.tell(answer);
    put(this.say, "Waiting for the replicas.");
    const stop = new AbortController();
    if (followed.size === most) followed.values().next().value.abort();
    followed.add(stop);
    try {
      for await (const { name, data } of events("fleet?as_of=" + encodeURIComponent(answer.as_of), stop.signal)) {
        if (name === "replica") this.turn(data);
        if (name === "done") return this.end(data);
      }
      throw new Error("the stream ended");
    } catch {
      this.fleet.lost("not known");
      put(this.say, "The list has it. The console has lost sight of the replicas, which refuse it all the same by the times below.");
    } finally {
      followed.delete(stop);
    }
  }

  turn(r) {
    this.fleet.show(r, r.refuses, r.refuses ? r.after_ms < soon ? "at once" : seconds(r.after_ms / 1000) : "");
    if (this.fleet.turned < this.fleet.size) put(this.say, `${this.fleet.turned} of ${count(this.fleet.size, "replica")} so far.`);
  }

  end({ complete, refusing, took_ms, behind }) {
    if (!complete) this.fleet.lost("not confirmed");
    attribute(this.say, "class", "verdict " + (complete ? "good" : "bad"));
    const took = took_ms < soon ? "at once" : `after ${seconds(took_ms / 1000)}`;
    const done = refusing === 1 ? `The one replica enforces it, ${took}.` : `All ${refusing} replicas enforce it. The last one did so ${took}.`;
    put(this.say, complete ? done : `${count(refusing, "replica")} of ${refusing + behind.length} confirmed it. The others enforce it by the times below.`);
    put("done-say", this.say.textContent);
  }

  // tell says by when.
  tell({ changed, effective, worst_case, ended_by }) {
    const text = [`Enforced by ${clock(effective)} wherever the store is reached, and by ${clock(worst_case)} elsewhere.`];
    if (!changed) text.unshift("It was in force to this extent already.");
    if (ended_by) text.push(`All have ended by ${clock(ended_by)}.`);
    put(this.fine, text.join(" "));
  }
}
