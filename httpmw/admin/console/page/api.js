// Asking the admin API.

import { during, leave } from "./session.js";

// A Refusal is an answer that is not the one that was asked for.
export class Refusal extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const longest = 25_000; // ms; revoking a key takes some seconds

// call asks the API, and returns the document that it answers. It throws a Refusal.
export const call = (method, path, body) => during(ask(method, path, body));

async function ask(method, path, body) {
  const options = { method, cache: "no-store", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(longest) };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refusal(0, "network", "The application does not answer. It may not have got this. Ask again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 401) leave();
  throw new Refusal(response.status, answer.code ?? "", answer.detail ?? `The application answered ${response.status}.`);
}

// may reports whether the operator has a role.
export const may = role => document.body.dataset.roles.split(" ").includes(role);
