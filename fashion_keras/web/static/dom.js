// Small helpers to build the page: elements, icons, names of columns, announcements.

export const byId = (id) => document.getElementById(id);

/** An element; `on...` properties are listeners, null, undefined and false leave an attribute or child out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** An <img> of a thumbnail of the server; on dense screens the larger one is loaded. */
export function thumbnail(imageId, size, alt, properties = {}) {
  const larger = { 96: 240, 240: 480, 480: 960 }[size];
  const srcset = larger ? `${imageUrl(imageId, size)} 1x, ${imageUrl(imageId, larger)} 2x` : null;
  return el("img", { src: imageUrl(imageId, size), srcset, alt, decoding: "async", ...properties });
}

export const imageUrl = (imageId, size) => `api/images/${encodeURIComponent(imageId)}?size=${size}`;

let labels = {};
export function setLabels(facets) {
  labels = Object.fromEntries(facets.map((facet) => [facet.name, facet.label]));
}
/** "base_colour" -> "Base color"; the server's label where it has one. */
export function labelOf(name) {
  const words = name.replaceAll("_", " ").replace("base colour", "color");
  return labels[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export const percent = (share) => `${Math.round(share * 100)} %`;
export const count = (number) => number.toLocaleString("en-US");
export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

/** A bar of a share 0..1 with its number; the number is text, the bar is decoration. */
export function shareBar(share, text = percent(share)) {
  const fill = el("span", { class: "fill" });
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return el("span", { class: "share" }, el("span", { class: "track", "aria-hidden": "true" }, fill), el("span", {}, text));
}

/** A message in place of a list: an icon, one line, an optional hint, buttons. */
export function notice(kind, title, hint, ...actions) {
  return el(
    "div",
    { class: `notice ${kind}`, role: kind === "error" ? "alert" : null },
    icon(kind === "error" ? "alert" : "empty"),
    el("p", { class: "notice-title" }, title),
    hint ? el("p", { class: "notice-hint" }, hint) : null,
    actions.length ? el("p", { class: "notice-actions" }, ...actions) : null,
  );
}
