// Resizing of images as contract.json describes it: Pillow's antialiased bilinear filter, 8 bits after each pass.
// It runs in browsers and in Node, and depends on nothing.

// Weights of one output pixel each: {start, weights}, for `size` input pixels of which from..to are read.
function coefficients(size, from, to, outSize) {
  const scale = (to - from) / outSize;
  const support = Math.max(scale, 1);
  return Array.from({ length: outSize }, (_, index) => {
    const center = from + (index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(size, Math.trunc(center + support + 0.5));
    const weights = [];
    for (let place = start; place < end; place += 1) {
      weights.push(Math.max(0, 1 - Math.abs((place - center + 0.5) / support)));
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

// One pass over the columns of an image {data, width, height}, three bytes a pixel.
function resizeColumns(image, from, to, outWidth) {
  const rows = coefficients(image.width, from, to, outWidth);
  const data = new Uint8ClampedArray(image.height * outWidth * 3);
  for (let y = 0; y < image.height; y += 1) {
    for (let x = 0; x < outWidth; x += 1) {
      const { start, weights } = rows[x];
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) {
          sum += weights[k] * image.data[(y * image.width + start + k) * 3 + channel];
        }
        data[(y * outWidth + x) * 3 + channel] = Math.floor(sum + 0.5);
      }
    }
  }
  return { data, width: outWidth, height: image.height };
}

function transpose(image) {
  const data = new Uint8ClampedArray(image.data.length);
  for (let y = 0; y < image.height; y += 1) {
    for (let x = 0; x < image.width; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        data[(x * image.height + y) * 3 + channel] = image.data[(y * image.width + x) * 3 + channel];
      }
    }
  }
  return { data, width: image.height, height: image.width };
}

function roundHalfToEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

// An RGB image {data, width, height} -> the network's input, [height, width, 3] bytes.
export function resize(image, rules) {
  const { height, width } = rules;
  if (rules.interpolation !== "bilinear") throw new Error(`interpolation ${rules.interpolation} is not supported`);
  if (image.height === height && image.width === width) return Uint8ClampedArray.from(image.data);
  const factors = [height / image.height, width / image.width];
  let inner = [height, width];
  let rows = image.height;
  let columns = image.width;
  if (rules.fit === "pad") {
    const scale = Math.min(...factors);
    inner = [image.height, image.width].map((side) => Math.max(1, roundHalfToEven(side * scale)));
  } else if (rules.fit === "crop") {
    const scale = Math.max(...factors);
    rows = Math.min(rows, height / scale);
    columns = Math.min(columns, width / scale);
  }
  const left = (image.width - columns) / 2;
  const top = (image.height - rows) / 2;
  const wide = resizeColumns(image, left, left + columns, inner[1]);
  const inside = transpose(resizeColumns(transpose(wide), top, top + rows, inner[0]));
  return pad(inside, height, width, rules.pad_color);
}

function pad(inside, height, width, color) {
  const data = new Uint8ClampedArray(height * width * 3);
  for (let index = 0; index < data.length; index += 1) data[index] = color[index % 3];
  const top = Math.floor((height - inside.height) / 2);
  const left = Math.floor((width - inside.width) / 2);
  for (let y = 0; y < inside.height; y += 1) {
    const row = inside.data.subarray(y * inside.width * 3, (y + 1) * inside.width * 3);
    data.set(row, ((top + y) * width + left) * 3);
  }
  return data;
}

// Straight RGBA bytes -> RGB on white.
export function onWhite(rgba, width, height) {
  const data = new Uint8ClampedArray(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const alpha = rgba[pixel * 4 + 3];
    for (let channel = 0; channel < 3; channel += 1) {
      data[pixel * 3 + channel] = Math.round((rgba[pixel * 4 + channel] * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return { data, width, height };
}

export function largestDifference(values, expected) {
  let largest = 0;
  for (let index = 0; index < expected.length; index += 1) {
    const difference = Math.abs(values[index] - expected[index]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
