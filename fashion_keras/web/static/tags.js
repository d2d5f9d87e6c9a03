// The panel of an uploaded photo: predicted tags with calibrated confidence, Grad-CAM overlay, attributes guessed from neighbors.
import * as api from "./api.js";
import { byId, el, icon, labelOf, percent, shareBar } from "./dom.js";
import { go, photoOf, state, withFilter } from "./state.js";

const STATUS = {
  released: ["Released", "The confidence reaches the threshold of its target precision."],
  abstained: ["Abstained", "The confidence is below the threshold: a person should look at it."],
  gated: ["Gated", "Not predicted for this type of product."],
};
let shown = null; // number of the photo in the panel
let url = "";

export function showPhoto(now, info) {
  const file = photoOf(now);
  byId("photo-panel").hidden = !file;
  if (now.photo === shown) return;
  shown = now.photo;
  URL.revokeObjectURL(url);
  if (!file) return byId("photo-panel").replaceChildren();
  url = URL.createObjectURL(file);
  const predicts = info.tagger || info.run;
  const overlay = el("img", { class: "overlay", alt: "Where the network looked, over the photo in its size", hidden: true });
  const figure = el("div", { class: "photo" }, el("img", { class: "original", src: url, alt: "The photo that is searched for" }), overlay);
  const tags = el("div", { id: "tags", class: "predicted", "aria-live": "polite", "aria-busy": String(predicts) });
  byId("photo-panel").replaceChildren(figure, el("div", { class: "photo-facts" }, tags, el("div", { id: "guesses" })));
  if (predicts) predict(file, now.photo, figure, overlay, tags);
}

async function predict(file, number, figure, overlay, tags) {
  tags.append(el("p", { class: "muted" }, "Predicting tags…"));
  try {
    const predicted = await api.tag(file, { onWait: () => {} });
    if (number !== shown) return;
    tags.replaceChildren(...tagList(predicted));
    figure.append(explainControl(file, overlay, predicted));
  } catch (error) {
    if (number === shown) tags.replaceChildren(el("p", { class: "muted" }, `No tags: ${error.message}`));
  } finally {
    tags.setAttribute("aria-busy", "false");
  }
}

function tagList({ product_type: type, outlier, attributes }) {
  const notes = [];
  if (outlier?.rejected) {
    const limit = outlier.threshold === null ? "" : `, the limit is ${outlier.threshold.toFixed(2)}`;
    const text = `The photo was rejected as none of the known product types: its outlier score is ${outlier.score.toFixed(2)}${limit}.`;
    notes.push(el("p", { class: "warning" }, icon("alert"), text));
  }
  const typeStatus = type && (type.accepted === false ? "abstained" : type.accepted ? "released" : null);
  const rows = [
    ...(type ? [row({ ...type, name: "product_type", status: typeStatus, alternatives: [] })] : []),
    ...attributes.map(row),
  ];
  return [el("h3", {}, "Predicted tags"), ...notes, el("ul", { class: "rows" }, ...rows)];
}

function row({ name, label, confidence, status, alternatives }) {
  const [word, why] = STATUS[status] ?? [];
  const others = (alternatives ?? []).slice(0, 2).map((other) => `${other.label} ${percent(other.confidence)}`);
  return el(
    "li",
    { class: `row ${status ?? ""}` },
    el("span", { class: "row-name" }, labelOf(name)),
    el("span", { class: "row-label" }, status === "gated" ? "–" : label),
    status === "gated" ? el("span", { class: "share" }) : shareBar(confidence),
    word ? el("span", { class: `badge ${status}`, title: why }, word) : null,
    others.length && status === "abstained" ? el("span", { class: "row-others" }, `or ${others.join(", ")}`) : null,
  );
}

/** The switch of the Grad-CAM overlay, and the head that it explains. */
function explainControl(file, overlay, { product_type: type, attributes }) {
  const predicted = attributes.filter((attribute) => attribute.status !== "gated").map((attribute) => attribute.name);
  const heads = [...new Set(predicted)]; // a head of several labels has a row for each
  const select = el(
    "select",
    { "aria-label": "Prediction to explain", onchange: () => load() },
    ...(type ? [el("option", { value: "" }, "Product type")] : []),
    ...heads.map((name) => el("option", { value: name }, labelOf(name))),
  );
  const failure = el("span", { role: "status", class: "muted" });
  // A network may see the photo in another shape: its overlay takes the photo's place.
  const show = (isOverlay) => {
    overlay.hidden = !isOverlay;
    overlay.previousSibling.hidden = isOverlay;
  };
  const toggle = el("input", { type: "checkbox", role: "switch", onchange: () => (toggle.checked ? load() : show(false)) });
  const load = async () => {
    if (!toggle.checked) return;
    failure.textContent = "One moment…"; // the first one waits for the network to be loaded
    try {
      const image = await api.explain(file, select.value);
      URL.revokeObjectURL(overlay.src);
      overlay.src = URL.createObjectURL(image);
      show(toggle.checked);
      failure.textContent = "";
    } catch (error) {
      show(false);
      toggle.checked = false;
      failure.textContent = error.message;
    }
  };
  return el("div", { class: "explain" }, el("label", { class: "switch" }, toggle, " Where the network looked"), heads.length + Boolean(type) > 1 ? select : null, failure);
}

/** Attributes that the neighbors of the photo have; each is a button that filters by it. */
export function showGuesses(guessed) {
  const place = byId("guesses");
  if (!place) return;
  const entries = Object.entries(guessed ?? {});
  const button = ([name, { value, share }]) => {
    const filter = () => go({ where: withFilter(state().where, name, [value]), k: 24 });
    const isSet = state().where[name]?.includes?.(value);
    return el(
      "button",
      { type: "button", class: "tag guess", "aria-pressed": String(Boolean(isSet)), title: "Filter by it", onclick: filter },
      `${labelOf(name)}: ${value}`, el("small", {}, ` ${percent(share)}`),
    );
  };
  place.replaceChildren(...(entries.length ? [el("h3", {}, "Guessed from similar products"), el("p", { class: "tags" }, ...entries.map(button))] : []));
}
