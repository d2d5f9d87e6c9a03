// A photo to search with: chosen, taken, pasted or dropped, and checked before it is sent.
import { byId, count } from "./dom.js";
import { addPhoto, go } from "./state.js";

export function startPhoto(limits) {
  for (const [button, input] of [["choose", "file"], ["take", "camera"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", (event) => {
      usePhoto(event.target.files[0], limits);
      event.target.value = ""; // so that the same file can be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    const file = imageIn(event.clipboardData);
    if (file) usePhoto(file, limits);
  });
  const zone = byId("dropzone");
  document.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    zone.hidden = false;
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && (zone.hidden = true));
  document.addEventListener("drop", (event) => {
    zone.hidden = true;
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    usePhoto(event.dataTransfer.files[0], limits);
  });
}

const imageIn = (data) => [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));

function usePhoto(file, limits) {
  if (!file) return;
  const error = problemOf(file, limits);
  byId("banner").hidden = !error;
  byId("banner").textContent = error;
  if (!error) go({ view: "search", photo: addPhoto(file), like: null, product: null, k: 24 });
}

/** What forbids to send a file, or "". Files of an unknown type are the server's to check. */
function problemOf(file, limits) {
  const megabytes = (bytes) => `${count(Math.round(bytes / 1e5) / 10)} MB`;
  if (file.size === 0) return `${file.name}: the file is empty.`;
  if (file.type && !file.type.startsWith("image/")) return `${file.name} is not an image. Choose a JPEG, PNG or WebP file.`;
  if (file.size > limits.bytes) {
    return `${file.name} is too large: ${megabytes(file.size)}, and the server accepts ${megabytes(limits.bytes)}.`;
  }
  return "";
}
