// Runs the search that the state describes, and shows its products, facets and errors.
import * as api from "./api.js";
import { byId, el, notice, plural } from "./dom.js";
import { showFacets } from "./facets.js";
import { showGrid, showLoading } from "./grid.js";
import { go, onChange, photoOf, state } from "./state.js";
import { showGuesses, showPhoto } from "./tags.js";

const MOST = 100; // products that the server returns at most
let running = new AbortController();
let shown = "";

export function startSearch(info) {
  byId("more").addEventListener("click", () => go({ k: Math.min(MOST, state().k + 24) }, { replace: true }));
  onChange((now, previous) => {
    if (now.view !== "search" || key(now) === shown) return;
    run(now, info, onlyMore(now, previous));
  });
}

const key = (now) =>
  JSON.stringify([now.text, now.without, now.weight, now.hybrid, now.like, now.where, now.k, now.photo]);
const onlyMore = (now, previous) => now.k > previous.k && key({ ...now, k: 0 }) === key({ ...previous, k: 0 });

function fieldsOf(now) {
  return {
    image: photoOf(now), text: now.text, without: now.without, sku: now.like, k: now.k, where: now.where,
    text_weight: now.weight, hybrid: now.hybrid,
  };
}

async function run(now, info, more) {
  running.abort();
  running = new AbortController();
  shown = key(now);
  if (now.photo && !photoOf(now)) {
    // The page was loaded anew; the photo of the older entry is gone.
    go({ photo: null }, { replace: true });
    return;
  }
  showPhoto(now, info);
  byId("status").textContent = "Searching…";
  byId("grid").setAttribute("aria-busy", "true");
  if (!more) showLoading();
  try {
    const found = await api.search(fieldsOf(now), { signal: running.signal, onWait: waiting });
    showResults(now, found);
  } catch (error) {
    if (error.name !== "AbortError") showError(error, info);
  }
}

function waiting(seconds) {
  byId("status").textContent = `The server is busy. Trying again in ${seconds} s…`;
}

function showResults(now, { results, facets, guessed, seconds }) {
  byId("message").replaceChildren();
  byId("grid").removeAttribute("aria-busy");
  const searches = photoOf(now) || now.text || now.like;
  byId("results-heading").textContent = searches ? "Most similar products" : "Products";
  byId("status").textContent = `${plural(results.length, "product")} in ${seconds.toFixed(2)} s`;
  showGrid(results);
  showFacets(facets, now.where);
  showGuesses(guessed);
  byId("more").hidden = results.length < now.k || now.k >= MOST;
  if (!results.length) showEmpty(now);
}

function showEmpty(now) {
  const filtered = Object.keys(now.where).length > 0;
  const remove = el("button", { type: "button", class: "button", onclick: () => go({ where: {} }) }, "Remove the filters");
  const hint = filtered ? "No product meets all filters." : "Try other words, or a photo.";
  byId("message").replaceChildren(notice("empty", "No products", hint, filtered ? remove : null));
}

function showError(error, info) {
  const again = el("button", { type: "button", class: "button", onclick: () => run(state(), info, false) }, "Try again");
  const remove = el("button", { type: "button", class: "button", onclick: () => go({ photo: null }) }, "Remove the photo");
  const isPhoto = [413, 415, 422].includes(error.status) && photoOf();
  byId("grid").replaceChildren();
  byId("grid").removeAttribute("aria-busy");
  byId("more").hidden = true;
  byId("status").textContent = "";
  const text = isPhoto ? ["This photo cannot be used", error.message, remove] : [error.message, hintOf(error), again];
  byId("message").replaceChildren(notice("error", ...text));
  shown = "";
}

function hintOf({ status }) {
  if (status === 0) return "Start it again with `fashion-keras serve`, then try again.";
  return status === 429 ? "Many people search at the moment." : null;
}
