/** Calls of the public API. A call that fails throws a `Problem`, which says why. */

import { parsed } from "./raw.js";

class Problem extends Error {
  constructor(status, details) {
    super(details.detail || details.error || `The service answered ${status}.`);
    this.status = status;
    this.error = details.error;
    this.faults = details.faults || [];
  }

  /** Whether the service could not be reached, or a part of it is down: asking again may help. */
  get isOutage() {
    return this.status === 0 || this.status >= 502;
  }
}

const unreachable = { error: "unreachable", detail: "The service does not answer." };

async function call(method, path, body, signal) {
  const options = { method, signal, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, unreachable);
  }
  const text = await response.text();
  const value = text && isJSON(response) ? parsed(text) : null;
  if (!response.ok) throw new Problem(response.status, value || {});
  return value;
}

const isJSON = (response) => /json/.test(response.headers.get("Content-Type") || "");

export const get = (path, signal) => call("GET", path, undefined, signal);

/** `body`: a value, or a text of JSON. */
export const post = (path, body) => call("POST", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const put = (path, body) => call("PUT", path, body);
export const remove = (path) => call("DELETE", path);

/** Return a path with a query of the values that are there. */
export function withQuery(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}
