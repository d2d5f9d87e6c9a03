// The page's state is its URL: view, words, filters, product. A photo is held in memory under a number of the history.

const DEFAULTS = {
  view: "search", text: "", without: "", weight: 0.5, hybrid: false, like: null, where: {}, k: 24, product: null, photo: null, kind: null,
};
const RANGE = /^(-?[\d.]+(?:e[+-]?\d+)?)?\.\.(-?[\d.]+(?:e[+-]?\d+)?)?$/i;
const photos = new Map();
const listeners = [];
let kinds = {}; // facet -> "values" | "number"
let current = DEFAULTS;

export const state = () => current;
export const photoOf = (value = current) => photos.get(value.photo) ?? null;
export const onChange = (listener) => listeners.push(listener);

export function start(facets) {
  kinds = Object.fromEntries(facets.map((facet) => [facet.name, facet.kind]));
  window.addEventListener("popstate", () => apply(read()));
  apply(read());
}

/** Goes to another state: a new entry of the history, or, with `replace`, the same one. */
export function go(patch, { replace = false } = {}) {
  const next = { ...current, ...patch };
  const entry = { photo: next.photo };
  if (replace) history.replaceState(entry, "", urlOf(next));
  else history.pushState(entry, "", urlOf(next));
  apply(next);
}

/** Keeps a photo in memory and returns its number, for `go({photo})`. */
export function addPhoto(file) {
  const number = Date.now();
  photos.set(number, file);
  return number;
}

function apply(next) {
  const previous = current;
  current = next;
  for (const listener of listeners) listener(current, previous);
}

export function read(url = location, entry = history.state) {
  const parameters = new URLSearchParams(url.search);
  const number = (name, least, most) => {
    const value = Number(parameters.get(name));
    return parameters.has(name) && value >= least && value <= most ? value : DEFAULTS[name];
  };
  const view = parameters.get("view");
  return {
    view: ["map", "review"].includes(view) ? view : "search",
    text: parameters.get("text") ?? "",
    without: parameters.get("without") ?? "",
    weight: number("weight", 0, 1),
    hybrid: parameters.get("hybrid") === "1",
    like: parameters.get("like"),
    where: readFilters(parameters),
    k: number("k", 1, 100),
    product: parameters.get("product"),
    photo: entry?.photo ?? null,
    kind: parameters.get("kind") ?? DEFAULTS.kind,
  };
}

/** `is.gender=Women&is.gender=Men&is.price=10..50` -> {gender: ["Women", "Men"], price: {gte: 10, lte: 50}}. */
function readFilters(parameters) {
  const where = {};
  for (const [key, value] of parameters) {
    const name = key.startsWith("is.") ? key.slice(3) : "";
    if (kinds[name] === "number" && RANGE.test(value)) {
      const [, least, most] = value.match(RANGE);
      where[name] = { ...(least && { gte: Number(least) }), ...(most && { lte: Number(most) }) };
    } else if (kinds[name] === "values") where[name] = [...(where[name] ?? []), value];
  }
  return where;
}

export function urlOf(value) {
  const parameters = new URLSearchParams();
  for (const name of ["view", "text", "without", "weight", "like", "k", "product", "kind"]) {
    if (value[name] !== DEFAULTS[name] && value[name] !== null) parameters.set(name, value[name]);
  }
  if (value.hybrid) parameters.set("hybrid", "1");
  for (const [name, condition] of Object.entries(value.where)) {
    if (Array.isArray(condition)) condition.forEach((item) => parameters.append(`is.${name}`, item));
    else parameters.set(`is.${name}`, `${condition.gte ?? ""}..${condition.lte ?? ""}`);
  }
  const query = parameters.toString();
  return `${location.pathname}${query ? `?${query}` : ""}`;
}

/** The same filters with one condition changed; an empty one is left out. */
export function withFilter(where, name, condition) {
  const { [name]: _, ...rest } = where;
  const empty = !condition || (Array.isArray(condition) ? !condition.length : !Object.keys(condition).length);
  return empty ? rest : { ...rest, [name]: condition };
}
