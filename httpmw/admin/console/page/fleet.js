// A list of replicas that turn, one after another.

import { attribute, element, put } from "./dom.js";
import { latest } from "./live.js";
import { brief } from "./words.js";

// here reports whether the page talks to a replica.
export const here = id => latest.hello?.replica === id;

// name makes the name of a replica.
export function name({ id, host }) {
  return element("span", { class: "replica" }, element("b", {}, host || "replica"), " ", element("code", { title: id }, brief(id)), here(id) ? element("small", {}, " here") : null);
}

// A Fleet shows in a list which replicas have turned.
export class Fleet {
  constructor(list, not, done) {
    this.list = list;
    this.words = { not, done };
    this.rows = new Map();
  }

  // show adds a replica, or turns it. note stands beside the word.
  show(replica, turned, note = "") {
    const row = this.rows.get(replica.id) ?? this.add(replica);
    row.turned ||= turned;
    attribute(row.pill, "class", "pill turn " + (row.turned ? "good" : "wait"));
    put(row.pill, row.turned ? this.words.done : this.words.not);
    if (note) put(row.note, note);
  }

  add(replica) {
    const row = { pill: element("span"), note: element("span", { class: "note" }), turned: false };
    this.list.append(element("li", {}, name(replica), row.pill, row.note));
    this.rows.set(replica.id, row);
    return row;
  }

  // lost says of those that have not turned that nobody knows of them any more.
  lost(word) {
    for (const row of this.rows.values()) {
      if (!row.turned) { put(row.pill, word); attribute(row.pill, "class", "pill bad"); }
    }
  }

  get turned() { return [...this.rows.values()].filter(r => r.turned).length; }
  get size() { return this.rows.size; }
}
