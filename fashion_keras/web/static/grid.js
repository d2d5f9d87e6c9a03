// Results as cards: one for each product, with its score, its other images and the attributes that it shares.
import { byId, el, icon, labelOf, plural, shareBar, thumbnail } from "./dom.js";
import { go, state, urlOf } from "./state.js";

const TAGS = 4; // attributes on a card
const EAGER = 6; // images that are surely in view

export function showGrid(results) {
  byId("grid").replaceChildren(...results.map((result, index) => el("li", {}, card(result, index))));
}

export function showLoading() {
  const skeleton = () => el("li", { class: "skeleton", "aria-hidden": "true" }, el("span", { class: "shot" }), el("span"), el("span"));
  byId("message").replaceChildren();
  byId("grid").replaceChildren(...Array.from({ length: 12 }, skeleton));
}

export function card(result, index = EAGER) {
  const title = result.title || `Product ${result.sku}`;
  const image = thumbnail(result.image_id, 240, "", { width: 240, height: 320, loading: index < EAGER ? "eager" : "lazy" });
  const article = el(
    "article",
    { class: "card", "data-sku": result.sku },
    productLink(result.sku, el("span", { class: "shot" }, image), el("span", { class: "title" }, title)),
    result.score === null ? null : el("p", { class: "score" }, el("span", { class: "hidden" }, "Similarity "), shareBar(result.score, result.score.toFixed(2))),
    tags(result),
    el("p", { class: "card-actions" }, likeButton(result.sku, title)),
    ...imagesOf(result, image, title),
  );
  return article;
}

/** A link to the product's dialog that also opens in a new tab. */
export function productLink(sku, ...children) {
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ product: sku });
  };
  return el("a", { class: "product-link", href: urlOf({ ...state(), product: sku }), onclick: open }, ...children);
}

export function likeButton(sku, title) {
  const like = () => {
    go({ view: "search", like: sku, photo: null, product: null, k: 24 });
    window.scrollTo({ top: 0 });
    byId("results-heading").focus({ preventScroll: true });
  };
  return el(
    "button",
    { type: "button", class: "button small", "aria-label": `More like this: ${title}`, onclick: like },
    icon("like"), "More like this",
  );
}

function tags({ attributes, shared }) {
  const isText = (value) => typeof value === "string" && value && Number.isNaN(Number(value));
  const named = Object.entries(attributes).filter(([, value]) => isText(value));
  const sorted = [...named.filter(([name]) => shared.includes(name)), ...named.filter(([name]) => !shared.includes(name))];
  if (!sorted.length) return null;
  const item = ([name, value]) => {
    const isShared = shared.includes(name);
    const note = el("span", { class: "hidden" }, `${isShared ? "shared " : ""}${labelOf(name)}: `);
    return el("li", { class: isShared ? "tag shared" : "tag", title: labelOf(name) }, isShared ? icon("check") : null, note, value);
  };
  return el("ul", { class: "tags" }, ...sorted.slice(0, TAGS).map(item));
}

/** The button that shows the product's other images, and the strip with them. */
function imagesOf({ images, image_id: first }, image, title) {
  if (images.length < 2) return [];
  const show = (imageId) => {
    const other = thumbnail(imageId, 240, "");
    image.srcset = other.srcset;
    image.src = other.src;
  };
  const pick = (imageId, number) =>
    el(
      "button",
      { type: "button", "aria-label": `Image ${number} of ${title}`, onclick: () => show(imageId) },
      thumbnail(imageId, 96, "", { width: 48, height: 64, loading: "lazy" }),
    );
  const ordered = [first, ...images.filter((imageId) => imageId !== first)];
  const strip = el("span", { class: "strip", hidden: true });
  const toggle = el(
    "button",
    {
      type: "button", class: "button small images", "aria-expanded": "false", "aria-label": `${plural(images.length, "image")} of ${title}`,
      onclick: () => {
        strip.hidden = !strip.hidden;
        if (!strip.childElementCount) strip.append(...ordered.map((imageId, index) => pick(imageId, index + 1)));
        toggle.setAttribute("aria-expanded", String(!strip.hidden));
      },
    },
    icon("stack"), String(images.length),
  );
  return [toggle, strip];
}
