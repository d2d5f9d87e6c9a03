// Sample client: the network of the export runs in this browser; no image leaves it.
import { largestDifference, onWhite, resize } from "./resize.js";

const ort = globalThis.ort;
const folder = "../";
const element = (id) => document.getElementById(id);

async function rgbOf(blob) {
  // Upright by EXIF, colors as they are in the file, alpha not multiplied in.
  const options = { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(blob, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return onWhite(data, bitmap.width, bitmap.height);
}

async function load(path) {
  const response = await fetch(folder + path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

async function run(session, contract, pixels) {
  const { height, width } = contract.resize;
  const tensor = new ort.Tensor("float32", Float32Array.from(pixels), [1, height, width, 3]);
  const outputs = await session.run({ [session.inputNames[0]]: tensor });
  return outputs[session.outputNames[0]].data;
}

async function checkGolden(session, contract) {
  const { images, pixel_tolerance: pixelLimit, output_tolerance: outputLimit } = contract.golden;
  for (const row of images) {
    const expected = new Uint8Array(await (await load(row.pixels)).arrayBuffer());
    const pixels = resize(await rgbOf(await (await load(row.image)).blob()), contract.resize);
    const pixelError = largestDifference(pixels, expected);
    if (!(pixelError <= pixelLimit)) throw new Error(`${row.image}: a pixel differs by ${pixelError} of 255`);
    const outputError = largestDifference(await run(session, contract, expected), row.output);
    if (!(outputError <= outputLimit)) throw new Error(`${row.image}: an output differs by ${outputError}`);
  }
  return images.length;
}

function describe(outputs, contract) {
  if (contract.kind === "encoder") {
    const first = Array.from(outputs.slice(0, 8), (value) => value.toFixed(4));
    return [`embedding of ${outputs.length} numbers: ${first.join(" ")} ...`];
  }
  return contract.output.groups.map((group) => {
    const values = group.classes.map((name, index) => [name, outputs[group.columns[0] + index]]);
    const best = values.sort((one, other) => other[1] - one[1]).slice(0, 3);
    return `${group.name}: ${best.map(([name, value]) => `${name} ${value.toFixed(3)}`).join(", ")}`;
  });
}

function show(lines) {
  element("output").replaceChildren(...lines.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

async function main() {
  ort.env.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", document.baseURI).href;
  ort.env.wasm.numThreads = 1;
  const contract = await (await load("contract.json")).json();
  document.title = element("title").textContent = contract.name;
  const session = await ort.InferenceSession.create(folder + contract.file, { executionProviders: ["wasm"] });
  const count = await checkGolden(session, contract);
  element("status").textContent = `Pixels and outputs of ${count} golden images agree with Keras.`;
  element("image").disabled = false;
  element("image").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try {
      const pixels = resize(await rgbOf(file), contract.resize);
      show(describe(await run(session, contract, pixels), contract));
    } catch (error) {
      show([`${file.name}: ${error.message}`]);
    }
  });
}

main().catch((error) => {
  element("status").textContent = `Error: ${error.message}`;
});
