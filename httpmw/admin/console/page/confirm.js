// Asking before something is done.

import { $, attribute, busy, element, fault, put } from "./dom.js";

const dialog = $("confirm");
let asked = null; // what the dialog asks now

// confirm asks.
//   title, text  what will happen
//   facts        pairs of a name and a value, text or node
//   choices      nodes of a form, if there is something to choose
//   word         what has to be typed; "": nothing
//   action       the words on the button
//   act          what the button does. If it throws, the dialog shows why and stays. If not, the node
//                that it returns gets the focus
export function confirm({ title, text, facts = [], choices = [], word = "", action, act }) {
  asked = { word, act };
  put("confirm-title", title);
  put("confirm-text", text);
  $("confirm-facts").replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  $("confirm-choices").replaceChildren(...choices);
  $("confirm-typed").hidden = !word;
  put("confirm-wanted", word);
  $("confirm-word").value = "";
  put("confirm-do", action);
  say("");
  dialog.showModal();
  (word ? $("confirm-word") : $("confirm-cancel")).focus();
}

function say(text) {
  put("confirm-word-error", text);
  attribute($("confirm-word"), "aria-invalid", null);
}

// What was sent goes on, so its answer has to be seen: until then nothing closes the dialog or asks again.
const works = () => $("confirm-do").hasAttribute("aria-busy");

$("confirm-form").addEventListener("submit", event => {
  event.preventDefault();
  if (works()) return;
  const { word, act } = asked;
  if (word && $("confirm-word").value.trim().toLowerCase() !== word) return fault($("confirm-word"), `Type “${word}”, so that this does not happen by accident.`);
  say("");
  busy($("confirm-do"), act).then(close, refusal => say(refusal.message));
});

function close(next) {
  dialog.close(); // gives the focus back to the button that asked
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

$("confirm-cancel").addEventListener("click", () => works() || dialog.close());
dialog.addEventListener("cancel", event => works() && event.preventDefault());
dialog.addEventListener("close", () => works() && dialog.showModal()); // some browsers close it at the second Escape
