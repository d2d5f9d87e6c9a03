// Filters: values with the number of products of each, and ranges of numbers with a histogram.
import { byId, count, el, labelOf } from "./dom.js";
import { rangeText } from "./query.js";
import { go, state, withFilter } from "./state.js";

const FEW = 7; // values before "Show all"
const OPEN = 4; // facets that are open at first
const expanded = new Set(); // facets whose every value is shown
const closed = new Set();
const NARROW = window.matchMedia("(max-width: 959px)");

export function startFacets(info) {
  info.facets.slice(OPEN).forEach(({ name, kind }) => kind === "values" && closed.add(name));
  const place = () => byId(NARROW.matches ? "drawer-body" : "sidebar").append(byId("facets"));
  NARROW.addEventListener("change", () => {
    byId("drawer").close();
    place();
  });
  place();
  byId("open-filters").addEventListener("click", () => byId("drawer").showModal());
  byId("drawer").addEventListener("click", (event) => {
    if (event.target === byId("drawer") || event.target.closest("[data-close]")) byId("drawer").close();
  });
}

export function showFacets(facets, where) {
  const focused = document.activeElement?.id;
  const groups = Object.entries(facets)
    .filter(([name, facet]) => (facet.values ? facet.values.length || where[name] : facet.counts.length > 1))
    .map(([name, facet]) => group(name, facet, where[name]));
  byId("facets").replaceChildren(...groups);
  const selected = Object.keys(where).length;
  byId("open-filters").querySelector("span").textContent = selected ? `Filters (${selected})` : "Filters";
  if (focused?.startsWith("facet-")) byId(focused)?.focus();
}

function group(name, facet, condition) {
  const body = facet.values ? values(name, facet.values, condition ?? []) : range(name, facet, condition ?? {});
  const chosen = condition ? el("span", { class: "chosen" }, facet.values ? String(condition.length) : rangeText(condition)) : null;
  const remember = (event) => closed[event.target.open ? "delete" : "add"](name);
  return el(
    "details",
    { class: "facet", open: !closed.has(name) || Boolean(condition), ontoggle: remember },
    el("summary", { id: `facet-${name}` }, el("span", {}, labelOf(name)), chosen),
    body,
  );
}

function values(name, counted, selected) {
  const missing = selected.filter((value) => !counted.some((item) => item.value === value));
  const all = [...counted, ...missing.map((value) => ({ value, count: 0 }))];
  const few = expanded.has(name) ? all : all.filter((item, index) => index < FEW || selected.includes(item.value));
  const box = ({ value, count: products }, index) => {
    const change = (event) => {
      const chosen = event.target.checked ? [...selected, value] : selected.filter((other) => other !== value);
      go({ where: withFilter(state().where, name, chosen), k: 24 });
    };
    const id = `facet-${name}-${all.findIndex((item) => item.value === value)}`;
    const input = el("input", { type: "checkbox", id, checked: selected.includes(value), onchange: change, "data-value": value });
    return el("label", {}, input, el("span", {}, value || "missing"), el("span", { class: "count" }, count(products)));
  };
  const showAll = () => {
    expanded.add(name);
    list.replaceWith(values(name, counted, selected));
    byId(`facet-${name}-${FEW}`)?.focus();
  };
  const rest = all.length - few.length;
  const button = rest ? el("button", { type: "button", class: "link", onclick: showAll }, `Show ${rest} more`) : null;
  const list = el("div", { class: "values", role: "group", "aria-label": labelOf(name) }, ...few.map(box), button);
  return list;
}

function range(name, { min, max, counts, edges }, condition) {
  const set = (gte, lte) => {
    const bounds = { ...(gte !== null && { gte }), ...(lte !== null && { lte }) };
    go({ where: withFilter(state().where, name, bounds), k: 24 });
  };
  const input = (side, label, bound, value) =>
    el("label", {}, label, el("input", {
      type: "number", step: "any", inputmode: "decimal", id: `facet-${name}-${side}`, placeholder: bound === null ? "" : String(bound), value,
      "aria-label": `${labelOf(name)}, ${label.toLowerCase()}`, onchange: () => set(valueOf("from"), valueOf("to")),
    }));
  const valueOf = (side) => {
    const text = byId(`facet-${name}-${side}`).value;
    return text === "" ? null : Number(text);
  };
  return el(
    "div",
    { class: "range", role: "group", "aria-label": labelOf(name) },
    histogram(counts, edges, condition, set),
    el("div", { class: "bounds" }, input("from", "From", min, condition.gte), input("to", "To", max, condition.lte)),
  );
}

/** Bars of the number of products in each bin; a click on a bar, or a drag over bars, sets the range. */
function histogram(counts, edges, { gte = -Infinity, lte = Infinity }, set) {
  const highest = Math.max(...counts, 1);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${counts.length * 10} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "histogram");
  svg.setAttribute("aria-hidden", "true");
  counts.forEach((products, bin) => {
    const height = products ? Math.max(2, (products / highest) * 40) : 0;
    const isIn = edges[bin + 1] > gte && edges[bin] <= lte;
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const shape = { x: bin * 10 + 0.75, y: 40 - height, width: 8.5, height, class: isIn ? "in" : "out" };
    for (const [key, value] of Object.entries(shape)) bar.setAttribute(key, value);
    svg.append(bar);
  });
  const binAt = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.max(0, Math.min(counts.length - 1, Math.floor(((event.clientX - box.left) / box.width) * counts.length)));
  };
  let from = null;
  svg.addEventListener("pointerdown", (event) => {
    from = binAt(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [least, most] = [from, binAt(event)].sort((a, b) => a - b);
    from = null;
    set(...roundRange(edges, least, most + 1));
  });
  return svg;
}

/** The numbers that a person would write for the edges of bins; whole ones where each bin is of a whole number. */
function roundRange(edges, least, most) {
  const span = edges.at(-1) - edges[0];
  if (Number.isInteger(edges[0]) && span === edges.length - 2) return [Math.ceil(edges[least]), Math.floor(edges[most])];
  const unit = 10 ** Math.floor(Math.log10(span / (edges.length - 1)));
  const round = (value) => Number((Math.round(value / unit) * unit).toPrecision(6));
  return [round(edges[least]), round(edges[most])];
}
