// Starts the page: asks the server what it has, shows the view that the URL names, follows its own links.
import * as api from "./api.js";
import { byId, count, notice, el, setLabels } from "./dom.js";
import { startFacets } from "./facets.js";
import { startProduct } from "./product.js";
import { startQuery } from "./query.js";
import { startSearch } from "./search.js";
import { go, onChange, read, start } from "./state.js";

const VIEWS = ["search", "map", "review"];

async function main() {
  let info;
  try {
    info = await api.info();
  } catch (error) {
    const again = el("button", { type: "button", class: "button", onclick: () => location.reload() }, "Try again");
    byId("view-search").hidden = false;
    byId("message").replaceChildren(notice("error", error.message, null, again));
    return;
  }
  setLabels(info.facets);
  byId("catalog-name").textContent = info.name;
  byId("catalog-facts").textContent = `${count(info.products)} products, ${count(info.images)} images`;
  for (const view of ["map", "review"]) document.querySelector(`[data-view=${view}]`).hidden = !info[view];
  document.querySelector("nav").hidden = !info.map && !info.review;
  startFacets(info);
  startQuery(info);
  startProduct();
  startSearch(info);
  onChange((now, previous) => showView(now, previous, info));
  document.addEventListener("click", followLink);
  start(info.facets);
}

const started = {};

async function showView(now, previous, info) {
  for (const view of VIEWS) {
    byId(`view-${view}`).hidden = view !== now.view;
    const link = document.querySelector(`nav [data-view=${view}]`);
    if (view === now.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${{ search: now.text || "Search", map: "Map", review: "Review" }[now.view]} – ${info.name}`;
  if (now.view !== previous.view) byId("banner").hidden = true;
  if (now.view === "search" || started[now.view]) return;
  started[now.view] = true;
  // A view that many visitors never open is loaded when they do.
  const module = await import(now.view === "map" ? "./map.js" : "./review.js");
  module.start(info);
}

function followLink(event) {
  const link = event.target.closest("a[data-link]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const view = link.dataset.view;
  // A view keeps the search; the name of the catalog starts a new one.
  go(view ? { view, product: null } : read(new URL(link.href), null));
}

main();
