// The dialog of a product: all its images, attributes and neighbors.
import * as api from "./api.js";
import { byId, el, icon, labelOf, notice, plural, thumbnail } from "./dom.js";
import { card, likeButton } from "./grid.js";
import { go, onChange, state } from "./state.js";

export function startProduct() {
  const dialog = byId("product");
  dialog.addEventListener("close", () => state().product && go({ product: null }));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  onChange((now, previous) => {
    if (!now.product) return dialog.open && dialog.close();
    if (now.product !== previous.product || !dialog.open) open(now.product);
  });
}

async function open(sku) {
  const dialog = byId("product");
  dialog.replaceChildren(closeButton(), el("p", { class: "muted", id: "product-title" }, "Loading the product…"));
  if (!dialog.open) dialog.showModal();
  try {
    const product = await api.product(sku);
    if (state().product !== sku) return;
    dialog.replaceChildren(closeButton(), ...contents(product));
    byId("product-title").focus();
  } catch (error) {
    dialog.replaceChildren(closeButton(), el("h2", { id: "product-title" }, `Product ${sku}`), notice("error", error.message));
  }
}

const closeButton = () =>
  el("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: () => byId("product").close() }, icon("close"));

function contents({ sku, title, images, attributes, neighbours }) {
  const name = title || `Product ${sku}`;
  const facts = Object.entries(attributes).filter(([, value]) => value !== "" && value !== null);
  return [
    el(
      "div",
      { class: "product-top" },
      gallery(images, name),
      el(
        "div",
        { class: "product-facts" },
        el("h2", { id: "product-title", tabindex: "-1" }, name),
        el("p", { class: "muted" }, `SKU ${sku}, ${plural(images.length, "image")}`),
        el("dl", {}, ...facts.map(([key, value]) => el("div", {}, el("dt", {}, labelOf(key)), el("dd", {}, String(value))))),
        el("p", {}, likeButton(sku, name)),
      ),
    ),
    el("h3", {}, "Most similar"),
    el("ul", { class: "grid small" }, ...neighbours.map((result) => el("li", {}, card(result)))),
  ];
}

function gallery(images, title) {
  const large = thumbnail(images[0], 480, `${title}, image 1`, { class: "large", width: 480, height: 640 });
  const pick = (imageId, index) => {
    const show = () => {
      const other = thumbnail(imageId, 480, "");
      large.srcset = other.srcset;
      large.src = other.src;
      large.alt = `${title}, image ${index + 1}`;
      strip.querySelectorAll("button").forEach((button, place) => button.setAttribute("aria-pressed", String(place === index)));
    };
    const small = thumbnail(imageId, 96, "", { width: 60, height: 80 });
    return el("button", { type: "button", "aria-label": `Image ${index + 1}`, "aria-pressed": String(index === 0), onclick: show }, small);
  };
  const strip = el("div", { class: "strip" }, ...(images.length > 1 ? images.map(pick) : []));
  return el("div", { class: "gallery" }, el("div", { class: "shot" }, large), strip);
}
