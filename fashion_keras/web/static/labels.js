// The dialog that asks for the right label: a filter field over a list, by mouse or by keys.
import { byId, el } from "./dom.js";

const SHOWN = 60;

/** Opens the dialog; resolves to the chosen label, or to null where it was closed. */
export function chooseLabel(title, labels) {
  const dialog = byId("labels");
  return new Promise((resolve) => {
    let active = 0;
    let matching = [];
    const finish = (label) => {
      resolve(label);
      dialog.close();
    };
    const input = el("input", {
      type: "text", id: "label-filter", role: "combobox", "aria-expanded": "true", "aria-controls": "label-list",
      "aria-autocomplete": "list", "aria-label": "Filter the labels", placeholder: "Type to filter", autocomplete: "off",
    });
    const list = el("ul", { id: "label-list", role: "listbox", "aria-label": "Labels" });
    const show = () => {
      const typed = input.value.trim().toLowerCase();
      matching = labels.filter((label) => label.toLowerCase().includes(typed)).slice(0, SHOWN);
      active = Math.max(0, Math.min(active, matching.length - 1));
      list.replaceChildren(...matching.map((label, index) => option(label, index, index === active, finish)));
      list.children[active]?.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", matching.length ? `label-${active}` : "");
    };
    input.addEventListener("input", () => {
      active = 0;
      show();
    });
    input.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        active = Math.max(0, Math.min(matching.length - 1, active + step));
        show();
      } else if (event.key === "Enter" && matching.length) {
        event.preventDefault();
        finish(matching[active]);
      }
    });
    const cancel = el("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel");
    dialog.replaceChildren(el("h2", { id: "labels-title" }, title), input, list, cancel);
    dialog.addEventListener("close", () => resolve(null), { once: true });
    show();
    dialog.showModal();
    input.focus();
  });
}

function option(label, index, isActive, finish) {
  return el("li", { id: `label-${index}`, role: "option", "aria-selected": String(isActive), onclick: () => finish(label) }, label);
}
