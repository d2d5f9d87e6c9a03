// The search form: words, options, weight of words beside a photo, and chips of what is searched for.
import { byId, el, icon, labelOf } from "./dom.js";
import { startPhoto } from "./photo.js";
import { go, onChange, photoOf, state, withFilter } from "./state.js";

export function startQuery(info) {
  byId("query").addEventListener("submit", (event) => {
    event.preventDefault();
    go({ text: byId("text").value.trim(), without: byId("without").value.trim(), k: 24 });
  });
  byId("hybrid").addEventListener("change", (event) => go({ hybrid: event.target.checked }));
  byId("weight").addEventListener("input", showWeight);
  byId("weight").addEventListener("change", (event) => go({ weight: Number(event.target.value) }, { replace: true }));
  byId("text").addEventListener("search", () => byId("text").value === "" && state().text && go({ text: "" }));
  byId("options-toggle").addEventListener("click", () => showOptions(byId("options").hidden));
  if (!info.has_text) withoutWords();
  startPhoto(info.limits);
  onChange(show);
}

function withoutWords() {
  byId("text").disabled = byId("options-toggle").disabled = true;
  byId("text").placeholder = "Search by photo: this index has no words";
}

function showWeight() {
  byId("weight-value").textContent = `${Math.round(byId("weight").value * 100)} %`;
}

function showOptions(open) {
  byId("options").hidden = !open;
  byId("options-toggle").setAttribute("aria-expanded", String(open));
}

function show(now) {
  byId("text").value = now.text;
  byId("without").value = now.without;
  byId("hybrid").checked = now.hybrid;
  byId("weight").value = now.weight;
  showWeight();
  byId("weight-field").hidden = !(now.text && (photoOf(now) || now.like));
  if (now.without || now.hybrid) showOptions(true);
  showChips(now);
}

let photoUrl = "";

function showChips(now) {
  URL.revokeObjectURL(photoUrl);
  const chips = [];
  const file = photoOf(now);
  if (file) {
    photoUrl = URL.createObjectURL(file);
    chips.push(chip("Your photo", { photo: null }, el("img", { src: photoUrl, alt: "", width: 28, height: 28 })));
  }
  if (now.like) chips.push(chip(`Like ${now.like}`, { like: null }, icon("like")));
  if (now.text) chips.push(chip(`“${now.text}”`, { text: "" }, icon("search")));
  if (now.without) chips.push(chip(`Without “${now.without}”`, { without: "" }));
  for (const [name, condition] of Object.entries(now.where)) chips.push(...filterChips(now, name, condition));
  if (chips.length > 1) {
    const all = { photo: null, like: null, text: "", without: "", where: {}, k: 24 };
    chips.push(el("li", {}, el("button", { type: "button", class: "link", onclick: () => clear(all) }, "Clear all")));
  }
  byId("chips").replaceChildren(...chips);
}

function filterChips(now, name, condition) {
  if (!Array.isArray(condition)) {
    const range = `${labelOf(name)} ${rangeText(condition)}`;
    return [chip(range, { where: withFilter(now.where, name, null) })];
  }
  return condition.map((value) => {
    const others = condition.filter((other) => other !== value);
    return chip(`${labelOf(name)}: ${value || "missing"}`, { where: withFilter(now.where, name, others) });
  });
}

export function rangeText({ gte, lte }) {
  if (gte === undefined) return `up to ${lte}`;
  return lte === undefined ? `from ${gte}` : `${gte} to ${lte}`;
}

function chip(text, patch, figure = null) {
  const remove = el(
    "button",
    { type: "button", "aria-label": `Remove: ${text}`, onclick: () => clear({ ...patch, k: 24 }) },
    icon("close"),
  );
  return el("li", { class: "chip" }, figure, el("span", {}, text), remove);
}

function clear(patch) {
  go(patch);
  // The button is gone; the focus stays near it.
  (byId("chips").querySelector("button") ?? byId("text")).focus();
}

