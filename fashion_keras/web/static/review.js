// The review view: a queue of doubtful labels and duplicates; each is accepted, corrected or skipped, by button or key.
import * as api from "./api.js";
import { byId, count, el, labelOf, notice, percent, plural, shareBar, thumbnail, imageUrl } from "./dom.js";
import { productLink } from "./grid.js";
import { chooseLabel } from "./labels.js";
import { go, onChange, state } from "./state.js";

const KINDS = {
  abstained: ["Abstained", "The tagger released no label: its confidence is below the threshold."],
  low_margin: ["Low margin", "Two labels are nearly equally likely."],
  mislabelled: ["Likely mislabeled", "The label of the catalog contradicts the prediction."],
  duplicate: ["Duplicates", "Nearly the same image shows several products, or has several labels."],
};
const BATCH = 20;
const MOST_CANDIDATES = 5;
const WHO = "fashion-keras-reviewer";
let queue = [];
let page = {}; // kinds, done, total of the server's last reply
let shown = ""; // kind of the queue
let busy = false;
const decided = new Set(); // ids of this session

export function start() {
  build();
  document.addEventListener("keydown", onKey);
  onChange((now) => now.view === "review" && now.kind && now.kind !== shown && load(now.kind));
  load(state().kind);
}

function build() {
  const who = el("input", { type: "text", id: "who", autocomplete: "name", maxlength: "80", required: true, value: readWho() });
  who.addEventListener("change", () => {
    storeWho(who.value.trim());
    byId("who-problem").textContent = "";
    who.removeAttribute("aria-invalid");
  });
  byId("review").append(
    el(
      "div",
      { class: "review-head" },
      el("div", { id: "kinds", class: "kinds", role: "group", "aria-label": "What to review" }),
      el("label", { class: "who" }, "Your name ", who, el("span", { id: "who-problem", class: "problem", role: "alert" })),
    ),
    el("div", { class: "review-progress" }, el("progress", { id: "progress", max: "1", value: "0", "aria-label": "Reviewed" }), el("span", { id: "progress-text", role: "status" })),
    el("div", { id: "item" }),
  );
  who.setAttribute("aria-describedby", "who-problem");
}

// A browser may forbid the page to store: then the name holds for this visit.
function readWho() {
  try {
    return localStorage.getItem(WHO) ?? "";
  } catch {
    return "";
  }
}

function storeWho(name) {
  try {
    localStorage.setItem(WHO, name);
  } catch {
    byId("who-problem").textContent = "";
  }
}

/** Loads the queue of a kind; without one, of the first kind that has items. */
async function load(kind) {
  shown = kind;
  queue = [];
  byId("item").replaceChildren(el("p", { class: "muted", role: "status" }, "Loading the queue…"));
  try {
    if (!kind) {
      const { kinds } = await api.review({ limit: 1 }, waiting);
      shown = Object.keys(kinds).find((name) => kinds[name]) ?? Object.keys(kinds)[0];
    }
    const wanted = shown;
    await fill(wanted);
    if (wanted === shown) show();
  } catch (error) {
    failed(error, () => load(kind));
  }
}

const waiting = () => byId("item").querySelector("p")?.replaceChildren("The server builds the queue; it is shown when it is there…");

/** Adds the next items that this session did not decide. */
async function fill(kind) {
  for (let offset = 0; ; offset += BATCH) {
    page = await api.review({ kind, offset, limit: BATCH }, waiting);
    queue = page.items.filter((item) => !decided.has(item.id));
    if (queue.length || page.items.length < BATCH) return;
  }
}

function show() {
  showKinds();
  const [item] = queue;
  for (const next of queue.slice(1, 3)) new Image().src = imageUrl(next.image_id, 480);
  if (item) byId("item").replaceChildren(card(item));
  else showDone();
}

function showKinds() {
  const button = (kind) => {
    const [name, why] = KINDS[kind] ?? [labelOf(kind), ""];
    const choose = () => go({ kind });
    return el("button", { type: "button", class: "button", "aria-pressed": String(kind === shown), title: why, onclick: choose }, name, el("span", { class: "count" }, count(page.kinds[kind])));
  };
  const focused = [...byId("kinds").children].indexOf(document.activeElement);
  byId("kinds").replaceChildren(...Object.keys(page.kinds).map(button));
  byId("kinds").children[focused]?.focus();
  showProgress();
}

function showProgress() {
  byId("progress").max = Math.max(1, page.total);
  byId("progress").value = page.done;
  byId("progress-text").textContent = `${count(page.done)} of ${count(page.total)} reviewed`;
}

function showDone() {
  const other = Object.keys(page.kinds).find((kind) => kind !== shown && page.kinds[kind] > 0);
  const next = other && el("button", { type: "button", class: "primary", onclick: () => go({ kind: other }) }, `Go on with: ${(KINDS[other] ?? [other])[0]}`);
  byId("item").replaceChildren(notice("empty", "Nothing left to review here", KINDS[shown]?.[1], next));
}

function card(item) {
  const image = thumbnail(item.image_id, 480, `Product ${item.sku}`, { width: 480, height: 640 });
  const others = (item.others ?? []).map((imageId) => el("li", { class: "shot" }, thumbnail(imageId, 240, "The other image", { width: 240, height: 320 })));
  return el(
    "article",
    { class: "item", "data-id": item.id },
    el("div", { class: "item-images" }, el("div", { class: "shot" }, image), others.length ? el("ul", { class: "others", "aria-label": "Looks the same" }, ...others) : null),
    el(
      "div",
      { class: "item-facts" },
      el("p", { class: "muted" }, productLink(item.sku, `Product ${item.sku}`)),
      el("h2", {}, heading(item)),
      comparison(item),
      item.reason ? el("p", { class: "muted" }, item.reason) : null,
      actions(item),
      el("p", { id: "decision", role: "status", class: "muted" }),
    ),
  );
}

const heading = ({ attribute }) => (attribute === "sku" ? "Which product is it?" : labelOf(attribute));

function comparison({ current, suggested, confidence }) {
  const line = (term, label, extra) => el("div", {}, el("dt", {}, term), el("dd", {}, el("strong", {}, label || "none"), extra));
  return el(
    "dl",
    { class: "comparison" },
    line("In the catalog", current, null),
    suggested ? line("Suggested", suggested, typeof confidence === "number" ? shareBar(confidence) : null) : null,
  );
}

/** Other labels than the catalog's, the suggested one first: each has a button and a number key. */
function candidates({ current, suggested, alternatives, confidence }) {
  const accepted = acceptedLabel({ current, suggested });
  const all = [{ label: suggested, confidence }, ...(alternatives ?? [])].filter(({ label }) => label && label !== accepted);
  return all.filter(({ label }, index) => all.findIndex((other) => other.label === label) === index).slice(0, MOST_CANDIDATES);
}

function actions(item) {
  const button = (key, text, style, act) =>
    el("button", { type: "button", class: style, "aria-keyshortcuts": key, onclick: act }, el("kbd", { "aria-hidden": "true" }, key), text);
  const change = ({ label, confidence }, index) =>
    button(String(index + 1), `${label}${typeof confidence === "number" ? ` ${percent(confidence)}` : ""}`, "button", () => decide("correct", label));
  const labels = candidates(item);
  return el(
    "div",
    { class: "actions" },
    el(
      "div",
      { class: "decide" },
      button("A", `Accept “${acceptedLabel(item)}”`, "primary", accept),
      button("C", "Correct…", "button", correct),
      button("S", "Skip", "button", () => decide("skip")),
    ),
    labels.length ? el("div", { class: "candidates", role: "group", "aria-label": "Correct to" }, el("span", { class: "muted" }, "Correct to"), ...labels.map(change)) : null,
  );
}

/** Accepting confirms the catalog's label; where it has none, it takes the suggested one. */
const acceptedLabel = (item) => item.current || item.suggested || "no label";

function accept() {
  const [item] = queue;
  if (!item) return null;
  return !item.current && item.suggested ? decide("correct", item.suggested) : decide("accept");
}

function onKey(event) {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (state().view !== "review" || typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (!queue.length) return;
  const label = candidates(queue[0])[Number(event.key) - 1]?.label;
  const act = { a: accept, c: correct, s: () => decide("skip") }[event.key.toLowerCase()] ?? (label && (() => decide("correct", label)));
  if (!act) return;
  event.preventDefault();
  act();
}

async function correct() {
  const [item] = queue;
  if (!item || !nameGiven()) return;
  const known = await labelsOf(item.attribute).catch(() => []); // the item's own labels are there in any case
  const first = [item.suggested, ...(item.alternatives ?? []).map((other) => other.label), item.current];
  const labels = [...new Set([...first, ...known])].filter(Boolean);
  const label = await chooseLabel(`${heading(item)}: product ${item.sku}`, labels);
  if (label !== null) await decide("correct", label);
}

const labelsOf = async (attribute) => ((await api.search({ k: 1 })).facets[attribute]?.values ?? []).map((item) => item.value);

function nameGiven() {
  const who = byId("who");
  if (who.value.trim()) return true;
  byId("who-problem").textContent = "Enter your name: it is written beside each decision.";
  who.setAttribute("aria-invalid", "true");
  who.focus();
  return false;
}

async function decide(action, to = null) {
  const [item] = queue;
  if (busy || !item || !nameGiven()) return;
  busy = true;
  try {
    const reply = await api.decide({ id: item.id, action, to, who: byId("who").value.trim() });
    decided.add(item.id);
    queue.shift();
    const left = { ...page.kinds, [item.kind]: Math.max(0, page.kinds[item.kind] - 1) };
    page = { ...page, ...reply, kinds: left };
    if (!queue.length) await fill(shown);
    show();
    const what = { accept: `Accepted “${acceptedLabel(item)}”`, correct: `Corrected to “${to}”`, skip: "Skipped" }[action];
    byId("progress-text").textContent = `${what}. ${plural(page.done, "item")} of ${count(page.total)} reviewed`;
  } catch (error) {
    byId("decision").textContent = `Not written: ${error.message}`;
    byId("decision").className = "problem";
  } finally {
    busy = false;
  }
}

function failed(error, retry) {
  const again = el("button", { type: "button", class: "button", onclick: retry }, "Try again");
  byId("item").replaceChildren(notice("error", error.message, null, again));
}
