// The section with charts that move. Each is a small picture with the numbers of now beside it, and a
// table below has the same for those who do not see pictures. Nothing here is announced.

import { $, element, put, svg } from "./dom.js";
import { latest } from "./live.js";
import { outcomes, rate, rise, samples, total } from "./history.js";
import { current, onShow } from "./sections.js";
import { about, clock, number, seconds } from "./words.js";

const width = 600, height = 120; // units of the picture
const spans = [1, 2, 5, 10]; // minutes that a chart may show: no more than there is to see

const perSecond = n => n === null ? "–" : n < 10 ? n.toFixed(1) : number(Math.round(n));
const whole = n => n === null ? "–" : number(Math.round(n));
const rough = n => n === null ? "–" : about(Math.round(n), "", "").trim();

// second and minute make lines of counters: how fast they rise, and by how much.
const second = counter => i => rate(i, counter, 5);
const minute = counter => i => rise(i, counter);
// plain makes the line of a value.
const plain = value => i => samples[i].now ? value(samples[i].now) ?? null : null;

// Each has lines [name, value of sample i]; format says a value; bound draws a promise; sessions: it needs
// the counters of the application's sessions.
const kinds = [
  { name: "Decisions", unit: "a second, here", format: perSecond, lines: () => [
    ["accepted", second(outcomes("accept"))], ["refused", second(outcomes("refuse"))], ["undecided", second(outcomes("undecided"))]] },
  { name: "People signed in", unit: "about, everywhere; sessions that ended count until their idle limit", format: rough, lines: () => [
    ["people", plain(n => n.status.signed_in?.subjects)], ["sessions", plain(n => n.status.signed_in?.sessions)], ["people in the last 5 to 10 min", plain(n => n.status.signed_in?.active_subjects)]] },
  { name: "Enforcement time", unit: "of trial revocations, here", format: seconds, bound: n => n.status.promise.within, lines: () => [
    ["half within", plain(n => n.enforced?.count ? n.enforced.p50 : null)], ["99 % within", plain(n => n.enforced?.count ? n.enforced.p99 : null)]] },
  { name: "Age of the view", unit: "how old what is known is", format: seconds, bound: n => n.status.promise.within, lines: () => [
    ["here", plain(n => n.status.age)], ["oldest reported", plain(n => n.replicas?.length ? Math.max(...n.replicas.map(r => r.age)) : null)]] },
  { name: "Sessions that ended", unit: "in the last minute, here", sessions: true, format: whole, lines: ended },
  { name: "Logins and renewals", unit: "in the last minute, here", sessions: true, format: whole, lines: () => [
    ["renewed", minute(n => n.sessions?.renewed ?? 0)], ["signed in", minute(n => n.sessions?.logins ?? 0)], ["signed out", minute(n => total(n.sessions?.logouts))]] },
];

// reasons say why sessions ended.
const reasons = {
  logout: "signed out", login: "signed in anew", expired_idle: "not used", expired_absolute: "too old", list_lost: "list lost",
  revoked_session: "session revoked", revoked_subject: "person revoked", revoked_group: "group revoked", revoked_key: "key revoked", revoked_everyone: "everyone revoked",
};

// ended has a line for each of the commonest reasons, and one for the others.
function ended() {
  const of = latest.now?.sessions?.ended ?? {};
  const names = Object.keys(of).filter(why => of[why]).sort((a, b) => of[b] - of[a] || a.localeCompare(b));
  const lines = names.slice(0, 3).map(why => [reasons[why] ?? why.replaceAll("_", " "), minute(n => n.sessions?.ended[why] ?? 0)]);
  const rest = names.slice(3);
  if (rest.length) lines.push(["otherwise", minute(n => rest.reduce((sum, why) => sum + (n.sessions?.ended[why] ?? 0), 0))]);
  return lines.length ? lines : [["none so far", () => 0]];
}

class Chart {
  constructor(kind) {
    this.kind = kind;
    this.picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.top = element("span", { class: "top-value" });
    this.legend = element("ul", { class: "lines" });
    this.from = element("span", { class: "from", "aria-hidden": "true" });
    this.node = element("figure", { class: "card chart" },
      element("figcaption", {}, element("h3", {}, kind.name), " ", element("small", {}, kind.unit)), this.legend,
      element("div", { class: "plot" }, this.picture, this.top, this.from, element("span", { class: "to", "aria-hidden": "true" }, "now")));
  }

  draw(now, minutes) {
    const { kind } = this, lines = kind.lines();
    const values = lines.map(([, value]) => samples.map((_, i) => value(i)));
    const bound = kind.bound?.(now.now) ?? 0;
    const top = ceiling(Math.max(bound * 1.1, ...values.map(v => Math.max(...v.filter(n => n !== null), 0))));
    put(this.top, kind.format(top));
    put(this.from, `${minutes} min ago`);
    const y = n => height - n / top * (height - 4) - 2;
    const parts = values.map((v, i) => svg("path", { class: "line line-" + i, d: path(v, now.t, minutes * 60_000, y) }));
    if (bound) parts.unshift(svg("path", { class: "bound", d: `M0 ${y(bound)}H${width}` }));
    this.picture.replaceChildren(...parts);
    this.name(lines, values, bound);
  }

  // name says what the lines are, and their values now.
  name(lines, values, bound) {
    const names = lines.map(([name], i) => [name, "line line-" + i, this.kind.format(values[i].at(-1) ?? null)]);
    if (bound) names.push(["promised", "bound", seconds(bound)]);
    while (this.legend.childElementCount > names.length) this.legend.lastChild.remove();
    names.forEach(([name, style, value], i) => {
      const item = this.legend.children[i] ?? this.legend.appendChild(element("li", {}, svg("svg", { viewBox: "0 0 20 6", "aria-hidden": "true" }, svg("path", { d: "M0 3H20" })), element("span"), " ", element("b")));
      item.querySelector("path").setAttribute("class", style);
      put(item.children[1], name);
      put(item.children[2], value);
    });
  }
}

// path draws a line, with gaps where nothing is known.
function path(values, now, span, y) {
  let d = "", pen = false;
  values.forEach((n, i) => {
    if (n === null) { pen = false; return; }
    const x = (samples[i].t - now + span) / span * width;
    d += `${pen ? "L" : "M"}${x.toFixed(1)} ${y(n).toFixed(1)}`;
    pen = true;
  });
  return d;
}

// ceiling returns a round number that is not below n.
function ceiling(n) {
  if (n <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 3, 4, 5, 6, 8, 10].map(f => f * unit).find(m => m >= n * 0.999);
}

let charts = null;

function make() {
  const some = kinds.filter(k => !k.sessions || latest.now.sessions);
  charts = some.map(kind => new Chart(kind));
  $("charts-list").replaceChildren(...charts.map(c => c.node));
  if (!latest.now.sessions) put("charts-say", "The last 10 minutes, from when this page was opened. This application does not give the console the counters of its sessions, so renewals and ends are left out.");
  $("numbers").open = false;
}

// draw is called once a second.
export function draw() {
  if (current() !== "charts" || !latest.now) return;
  if (!charts) make();
  const now = samples.findLast(s => s.now);
  if (!now) return;
  const known = (now.t - samples[0].t) / 60_000, minutes = spans.find(m => known <= m) ?? 10;
  for (const chart of charts) chart.draw(now, minutes);
  if ($("numbers").open && now.t - tabled > 10_000) tabulate(now);
}

let tabled = 0; // when the table was last made; it stays for ten seconds, so that it can be read

function tabulate(now) {
  tabled = now.t;
  const lines = charts.flatMap(({ kind }) => kind.lines().map(([name, value]) => [`${kind.name}: ${name}`, value, kind.format]));
  $("numbers-head").replaceChildren(element("th", { scope: "col" }, "Time"), ...lines.map(([name]) => element("th", { scope: "col", class: "n" }, name)));
  const marks = [];
  for (let i = samples.length - 1, next = now.t; i >= 0; i--) {
    if (samples[i].t > next) continue;
    marks.push(i);
    next -= 60_000;
  }
  $("numbers-body").replaceChildren(...marks.map(i => element("tr", {}, element("th", { scope: "row" }, clock(samples[i].t)), ...lines.map(([, value, format]) => element("td", { class: "n" }, format(value(i)))))));
}

export function setUp() {
  onShow("charts", shown => shown && draw());
  $("numbers").addEventListener("toggle", () => { tabled = 0; draw(); });
}
