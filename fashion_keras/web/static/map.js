// The map view: canvas, zoom buttons, legend that highlights labels, list of the products in view.
import * as api from "./api.js";
import { byId, count, el, icon, notice, thumbnail } from "./dom.js";
import { productLink } from "./grid.js";
import { MapCanvas, colorOf } from "./map_canvas.js";
import { go } from "./state.js";

const LISTED = 24;

export async function start() {
  const place = byId("map");
  place.replaceChildren(el("p", { class: "muted", role: "status" }, "Loading the map…"));
  try {
    const map = await api.map(() => place.firstChild.replaceChildren("The server computes the map; it is shown when it is there…"));
    place.replaceChildren();
    if (!map.points.length) place.append(notice("empty", "No products", "The index is empty."));
    else build(place, map);
  } catch (error) {
    const again = el("button", { type: "button", class: "button", onclick: start }, "Try again");
    place.replaceChildren(notice("error", error.message, null, again));
  }
}

function build(place, { points, labels, of: total }) {
  const sorted = byFrequency(points, labels);
  const canvas = el("canvas", {
    tabindex: "0", role: "application", "aria-label": "Map of the catalog", "aria-describedby": "map-help",
  });
  const tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
  const selected = el("p", { class: "hidden", role: "status" });
  const list = el("ul", { class: "nearby" });
  const heading = el("h2", {});
  let timer = 0;
  const chart = new MapCanvas(canvas, points, sorted, {
    onSelect: (point, at) => {
      showTip(tip, canvas, point, at);
      selected.textContent = point ? `${point.label || "no label"}, product ${point.sku}` : "";
    },
    onOpen: (point) => go({ product: point.sku }),
    onView: () => {
      tip.hidden = true;
      clearTimeout(timer);
      timer = setTimeout(() => showList(heading, list, chart), 180);
    },
  });
  const some = total > points.length ? `${count(points.length)} of ${count(total)} images` : `${count(points.length)} images`;
  place.append(
    el("p", { class: "muted", id: "map-help" }, `${some}; similar images are close. Drag to move, scroll or pinch to zoom, click for the product. `,
      el("span", { class: "keys" }, "Keys: arrows select, shift and arrows move, + and − zoom, 0 shows all, Enter opens.")),
    el("div", { class: "map-columns" }, el("div", { class: "map-stage" }, canvas, zoomButtons(chart), tip, selected), legend(points, sorted, chart)),
    heading,
    list,
  );
}

/** Labels, the most frequent first: those get colors of their own. */
function byFrequency(points, labels) {
  const counts = new Map(labels.map((label) => [label, 0]));
  for (const { label } of points) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
}

function zoomButtons(chart) {
  const button = (label, sign, act) =>
    el("button", { type: "button", class: "button", "aria-label": label, title: label, onclick: act }, sign);
  return el(
    "div",
    { class: "zoom" },
    button("Zoom in", icon("plus"), () => chart.zoomBy(1.6)),
    button("Zoom out", icon("minus"), () => chart.zoomBy(1 / 1.6)),
    button("Show all", "All", () => chart.reset()),
  );
}

function legend(points, labels, chart) {
  const chosen = new Set();
  const item = (label) => {
    const swatch = el("span", { class: "swatch" });
    swatch.style.backgroundColor = colorOf(labels, label);
    const toggle = (event) => {
      chosen[chosen.has(label) ? "delete" : "add"](label);
      event.currentTarget.setAttribute("aria-pressed", String(chosen.has(label)));
      chart.highlight(new Set(chosen));
    };
    const products = points.filter((point) => point.label === label).length;
    return el(
      "li",
      {},
      el("button", { type: "button", "aria-pressed": "false", onclick: toggle }, swatch, el("span", {}, label || "no label"), el("span", { class: "count" }, count(products))),
    );
  };
  return el("ul", { class: "legend", "aria-label": "Labels: choose which to highlight" }, ...labels.map(item));
}

function showTip(tip, canvas, point, at) {
  tip.hidden = !point;
  if (!point) return;
  tip.replaceChildren(thumbnail(point.image_id, 96, "", { width: 72, height: 96 }), el("strong", {}, point.label || "no label"), el("span", {}, point.sku));
  const right = at[0] > canvas.clientWidth - 150;
  tip.style.left = `${right ? at[0] - 122 : at[0] + 14}px`;
  tip.style.top = `${Math.max(4, Math.min(canvas.clientHeight - 160, at[1] - 60))}px`;
}

function showList(heading, list, chart) {
  const points = chart.inView();
  const shown = points.slice(0, LISTED);
  heading.textContent = points.length > LISTED ? `The ${LISTED} in the middle of ${count(points.length)} in view` : `${count(points.length)} in view`;
  const entry = (point) =>
    el("li", {}, productLink(point.sku, thumbnail(point.image_id, 96, "", { width: 72, height: 96, loading: "lazy" }),
      el("span", {}, point.label || "no label"), el("span", { class: "hidden" }, `, product ${point.sku}`)));
  list.replaceChildren(...shown.map(entry));
}
