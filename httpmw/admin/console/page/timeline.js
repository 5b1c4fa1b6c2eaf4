// The life of each key as a picture. Near to now a minute is wide, and far from it a day is narrow, so
// that ten minutes of waiting and a month of opening fit beside each other.

import { svg } from "./dom.js";
import { count, present } from "./words.js";

const marks = [["1 min", 60], ["10 min", 600], ["1 h", 3600], ["6 h", 21600], ["1 day", 86400], ["7 days", 604800], ["30 days", 2592000]];
const farthest = 5184000, near = 30; // seconds: the edge, and below what the scale is even
const foot = 26;

// place returns where a moment is, from 0 to 1. now is in the middle.
function place(moment, now) {
  const s = Math.max(-farthest, Math.min(farthest, (moment - now) / 1000));
  return 0.5 + Math.sign(s) * 0.5 * Math.log1p(Math.abs(s) / near) / Math.log1p(farthest / near);
}

// spans returns what a key does from when to when. Infinity: no end is known.
function spans(key, successor) {
  const made = Date.parse(key.iat), from = Date.parse(key.nbf), end = key.exp ? Date.parse(key.exp) : Infinity;
  const refused = key.revoked ? Date.parse(key.revoked) : Infinity;
  const over = Math.min(successor ? Date.parse(successor.nbf) : Infinity, end);
  const all = [["waiting", made, from], ["sealing", from, over], ["opening", over, end]];
  const cut = all.map(([kind, a, b]) => [kind, a, Math.min(b, refused)]);
  if (key.revoked) cut.push(["refused", refused, end]);
  return cut.filter(([, a, b]) => b > a);
}

// successorOf returns the key that takes over from a key. keys are the newest first.
function successorOf(keys, i) {
  for (let j = i - 1; j >= 0; j--) {
    const k = keys[j];
    if (!k.revoked || Date.parse(k.revoked) > Date.parse(k.nbf)) return k;
  }
  return null;
}

// draw fills node with the picture of keys.
export function draw(node, keys) {
  const width = node.clientWidth || 600, wide = width > 560, now = present();
  const left = wide ? 100 : 0, line = wide ? 34 : 48; // on a phone the name of a key stands above its line
  const x = moment => left + place(moment, now) * (width - left - 4);
  const height = keys.length * line + foot;
  const parts = [];
  for (const side of [-1, 1]) {
    for (const [name, s] of wide ? marks : marks.filter(([name]) => name === "1 h" || name === "7 days")) {
      const at = x(now + side * s * 1000);
      parts.push(svg("path", { class: "grid", d: `M${at} 0V${height - foot}` }), svg("text", { x: at, y: height - 8, "text-anchor": "middle" }, (side < 0 ? "−" : "+") + name));
    }
  }
  keys.forEach((key, i) => {
    const y = i * line + (wide ? 8 : 22);
    parts.push(svg("text", { class: "kid", x: 0, y: wide ? y + 13 : y - 6 }, key.kid));
    for (const [kind, a, b] of spans(key, successorOf(keys, i))) {
      const from = x(a), to = x(b);
      parts.push(svg("rect", { class: kind, x: from, y, width: Math.max(to - from, 2), height: 18, rx: 3 }));
    }
  });
  parts.push(svg("path", { class: "now", d: `M${x(now)} 0V${height - foot + 4}` }), svg("text", { class: "now", x: x(now), y: height - 8, "text-anchor": "middle" }, "now"));
  const label = `Timeline of ${count(keys.length, "key")}. The table below says the same.`;
  node.replaceChildren(svg("svg", { width, height, role: "img", "aria-label": label }, ...parts));
}
