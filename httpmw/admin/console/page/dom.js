// Building and changing the page. Text goes in as text, never as markup.

export const $ = id => document.getElementById(id);

const svgSpace = "http://www.w3.org/2000/svg";

// element makes an element. children are nodes and texts; empty ones are left out.
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// svg makes an element of a picture.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(svgSpace, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(c => c !== null && c !== undefined && c !== "" && c !== false));
  return node;
}

// put changes the text of a node if it is another one, so that screen readers hear of real changes only.
export function put(node, text) {
  const at = typeof node === "string" ? $(node) : node;
  if (at.textContent !== String(text)) at.textContent = text;
}

// attribute sets an attribute, or removes it.
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// chosen returns the value of a group of radio buttons.
export const chosen = name => document.querySelector(`input[name="${name}"]:checked`).value;

// choose selects one of them, and tells those who listen.
export function choose(name, value) {
  const radio = document.querySelector(`input[name="${name}"][value="${value}"]`);
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
}

// fault shows what is wrong with a field, or that nothing is.
export function fault(field, text) {
  put(field.id + "-error", text);
  attribute(field, "aria-invalid", text ? "true" : null);
  if (text) field.focus();
}

// cells makes a row of a table. Each cell knows its column, for phones, where a row is a card.
export function row(columns, values, attributes = {}) {
  const made = values.map((value, i) => {
    const many = Array.isArray(value) ? value : [value];
    const column = columns[i];
    return element(i === 0 ? "th" : "td", { scope: i === 0 && "row", "data-column": column.name || null, class: column.number && "n" }, ...many);
  });
  return element("tr", attributes, ...made);
}

// columns reads the columns of a table from its head.
export const columns = table => [...table.querySelectorAll("thead th")].map(th => ({
  name: th.querySelector(".unseen") ? "" : th.textContent, number: th.classList.contains("n"),
}));

// nothing makes the row of an empty table.
export const nothing = (table, text) => element("tr", { class: "empty" }, element("td", { colspan: columns(table).length }, text));

// busy says that a button works, and keeps it from being pressed twice.
export async function busy(button, work) {
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}
