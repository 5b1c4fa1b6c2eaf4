// One section at a time. Its name stands behind the # of the address, so "back" works.

import { $, attribute } from "./dom.js";

const shown = {}; // what to do when a section is shown or hidden
let now = "";

const links = () => [...$("sections").querySelectorAll("a")];
const nameOf = link => link.hash.slice(1);

// onShow calls back with true when a section is shown, and with false when it is hidden.
export function onShow(name, f) { shown[name] = f; }

export const current = () => now;

// go shows a section and moves the focus to its title.
export function go(name) {
  history.pushState(null, "", "#" + name);
  show(name);
  $(name + "-title").focus({ preventScroll: true });
}

function show(name) {
  if (!links().some(l => nameOf(l) === name)) name = nameOf(links()[0]);
  if (name === now) return;
  const left = now;
  now = name;
  for (const link of links()) {
    const here = nameOf(link) === name;
    attribute(link, "aria-current", here ? "page" : null);
    $(nameOf(link)).hidden = !here;
    if (here) document.title = `${link.textContent} · Wafer console`;
  }
  scrollTo(0, 0);
  shown[left]?.(false);
  shown[name]?.(true);
}

export function setUp() {
  $("sections").addEventListener("click", event => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(nameOf(link));
  });
  addEventListener("popstate", () => {
    if (location.hash !== "#content") show(location.hash.slice(1)); // that is where the skip link leads
  });
  show(location.hash.slice(1));
}
