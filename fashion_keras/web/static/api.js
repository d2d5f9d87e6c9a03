// The server's HTTP API: every call returns its JSON or throws an ApiError with one line for people.

// How often a call is repeated: while the server is busy, and while it prepares what was asked for.
const RETRIES = { 202: 200, 429: 4 };

export class ApiError extends Error {
  /** status 0: the server could not be reached. */
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const FALLBACK = {
  401: "This server needs its token: open the address that it printed when it started.",
  413: "The photo is too large for this server.",
  415: "This file is not an image that can be read.",
  429: "The server is busy.",
  503: "The server cannot do this now.",
  504: "The search took too long and was stopped.",
};

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not respond. It may have been stopped.");
  }
  if (response.ok && response.status !== 202) return response;
  const body = await response.json().catch(() => ({})); // an error page of a proxy is no JSON
  const message = body.error ?? FALLBACK[response.status] ?? `The server failed with status ${response.status}.`;
  throw new ApiError(response.status, sentence(message), Number(response.headers.get("retry-after")));
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Repeats a call that the server refused for the moment, and calls onWait(seconds) before each pause. */
async function patiently(path, options, onWait) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call(path, options);
    } catch (error) {
      if (!error.retryAfter || !(attempt < RETRIES[error.status])) throw error;
      onWait?.(error.retryAfter);
      await pause(error.retryAfter * 1000, options.signal);
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    });
  });
}

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === "") continue;
    // The name of a file on the user's device is nobody's business.
    if (value instanceof Blob) data.append(name, value, "photo");
    else data.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return data;
}

const post = (path, fields, { signal, onWait } = {}) => patiently(path, { method: "POST", body: form(fields), signal }, onWait);
const json = (response) => response.json();

export const info = () => patiently("api/info", {}).then(json);
export const search = (fields, options) => post("api/search", fields, options).then(json);
export const tag = (image, options) => post("api/tag", { image }, options).then(json);
export const explain = (image, attribute, options) =>
  post("api/explain", { image, attribute }, options).then((response) => response.blob());
export const product = (sku, options) => patiently(`api/products/${encodeURIComponent(sku)}`, options ?? {}).then(json);
export const map = (onWait) => patiently("api/map", {}, onWait).then(json);
export const review = (range, onWait) => patiently(`api/review?${new URLSearchParams(range)}`, {}, onWait).then(json);
export const decide = (decision) =>
  patiently("api/review", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(decision),
  }).then(json);
