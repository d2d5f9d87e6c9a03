// The canvas of the map: points colored by label, thumbnails when few are in view, pan and zoom by pointer and keys.
import { imageUrl } from "./dom.js";

const COLORS = [
  "#d1495b", "#2b7bba", "#e08e1b", "#3d9a50", "#8a63d2", "#14a3a8", "#c2559d", "#8d6e4a", "#6a8a00", "#5470e0", "#e0653a", "#7c8794",
];
const OTHER = "#9a9d99";
const MARGIN = 0.04; // of the map's width, around all points
const MOST_ZOOM = 60;
const FEW = 48; // points in view that are drawn as thumbnails
const NEAR = 14; // pixels between the pointer and the point that it means
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export const colorOf = (labels, label) => COLORS[labels.indexOf(label)] ?? OTHER;

export class MapCanvas {
  /** points: [{x, y, label, image_id, sku}]; listeners: onSelect(point, place), onOpen(point), onView(). */
  constructor(canvas, points, labels, listeners) {
    Object.assign(this, { canvas, points, labels, ...listeners });
    this.context = canvas.getContext("2d");
    this.highlighted = new Set();
    this.selected = null;
    this.pointers = new Map();
    this.images = new Map();
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    new ResizeObserver(() => this.resize()).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.select(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const density = window.devicePixelRatio || 1;
    Object.assign(this, { width, height });
    this.canvas.width = width * density;
    this.canvas.height = height * density;
    this.context.setTransform(density, 0, 0, density, 0, 0);
    this.changed();
  }

  scale(side) {
    return side * (1 - 2 * MARGIN) * this.view.zoom;
  }

  place({ x, y }) {
    return [(x - this.view.x) * this.scale(this.width) + this.width / 2, (y - this.view.y) * this.scale(this.height) + this.height / 2];
  }

  zoomBy(factor, left = this.width / 2, top = this.height / 2) {
    const zoom = Math.min(MOST_ZOOM, Math.max(1, this.view.zoom * factor));
    const x = this.view.x + (left - this.width / 2) / this.scale(this.width);
    const y = this.view.y + (top - this.height / 2) / this.scale(this.height);
    this.view.zoom = zoom;
    this.view.x = x - (left - this.width / 2) / this.scale(this.width);
    this.view.y = y - (top - this.height / 2) / this.scale(this.height);
    this.changed();
  }

  panBy(right, down) {
    this.view.x -= right / this.scale(this.width);
    this.view.y -= down / this.scale(this.height);
    this.changed();
  }

  reset() {
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.changed();
  }

  highlight(labels) {
    this.highlighted = labels;
    this.changed();
  }

  /** Keeps the middle of the view within the map, draws, and reports the view. */
  changed() {
    const room = 0.5 / this.view.zoom;
    for (const axis of ["x", "y"]) this.view[axis] = Math.min(1 - room, Math.max(room, this.view[axis]));
    this.draw();
    this.onView();
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.dragged = 0;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    const now = [event.offsetX, event.offsetY];
    if (!before) return this.select(this.nearest(...now));
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    this.dragged += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (other) {
      const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1;
      return this.zoomBy(distance(now) / distance(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    return this.panBy(now[0] - before[0], now[1] - before[1]);
  }

  release(event) {
    const isClick = this.pointers.delete(event.pointerId) && this.dragged < 6;
    const point = isClick && this.nearest(event.offsetX, event.offsetY);
    if (point) this.onOpen(point);
  }

  key(event) {
    const move = MOVES[event.key];
    if (move && event.shiftKey) this.panBy(-move[0] * 80, -move[1] * 80);
    else if (move) this.step(...move);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (event.key === "Enter" && this.selected) this.onOpen(this.selected);
    else return;
    event.preventDefault();
  }

  /** Selects the nearest point in a direction; the first one is the nearest to the middle. */
  step(right, down) {
    const [left, top] = this.selected ? this.place(this.selected) : [this.width / 2, this.height / 2];
    const cost = (point) => {
      const [x, y] = this.place(point);
      const ahead = (x - left) * right + (y - top) * down;
      const aside = Math.abs((x - left) * down) + Math.abs((y - top) * right);
      if (!this.selected) return Math.hypot(x - left, y - top);
      return ahead > 0.5 ? ahead + 2 * aside : Infinity;
    };
    const [best, least] = leastOf(this.drawn(), cost);
    if (least === Infinity) return;
    const [x, y] = this.place(best);
    if (x < 20 || y < 20 || x > this.width - 20 || y > this.height - 20) this.panBy(this.width / 2 - x, this.height / 2 - y);
    this.select(best);
  }

  nearest(left, top) {
    const [point, distance] = leastOf(this.drawn(), (item) => Math.hypot(...this.place(item).map((value, axis) => value - [left, top][axis])));
    return distance <= (this.thumbnails ? 32 : NEAR) ? point : null;
  }

  select(point) {
    if (point === this.selected) return;
    this.selected = point;
    this.canvas.classList.toggle("over", Boolean(point));
    this.draw();
    this.onSelect(point, point && this.place(point));
  }

  drawn() {
    return this.highlighted.size ? this.points.filter((point) => this.highlighted.has(point.label)) : this.points;
  }

  /** Points in view, the nearest to its middle first. */
  inView() {
    const away = ([x, y]) => Math.hypot(x - this.width / 2, y - this.height / 2);
    const isIn = ([x, y]) => x >= 0 && y >= 0 && x <= this.width && y <= this.height;
    const placed = this.drawn().map((point) => ({ point, place: this.place(point) }));
    const inside = placed.filter(({ place }) => isIn(place));
    return inside.sort((a, b) => away(a.place) - away(b.place)).map(({ point }) => point);
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  paint() {
    const { context } = this;
    context.clearRect(0, 0, this.width, this.height);
    const radius = Math.min(6, (this.points.length < 1000 ? 4 : 2.6) + Math.log2(this.view.zoom));
    if (this.highlighted.size) {
      for (const point of this.points) if (!this.highlighted.has(point.label)) this.dot(point, 2, "#9a9d9955");
    }
    const visible = this.inView();
    this.thumbnails = visible.length <= FEW && this.view.zoom > 1;
    for (const point of visible) {
      if (!this.thumbnails || !this.photo(point, 27)) this.dot(point, radius, colorOf(this.labels, point.label));
    }
    if (this.selected) this.ring(this.selected, this.thumbnails ? 0 : radius + 3);
  }

  dot(point, radius, color) {
    const [x, y] = this.place(point);
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.context.fillStyle = color;
    this.context.fill();
  }

  ring(point, radius) {
    const [x, y] = this.place(point);
    this.context.beginPath();
    if (radius) this.context.arc(x, y, radius, 0, 2 * Math.PI);
    else this.context.roundRect(x - 31, y - 31, 62, 62, 8);
    this.context.lineWidth = 3;
    this.context.strokeStyle = getComputedStyle(this.canvas).color;
    this.context.stroke();
  }

  /** Draws the thumbnail of a point; false while it loads. */
  photo(point, half) {
    let image = this.images.get(point.image_id);
    if (!image) {
      image = new Image();
      image.onload = () => this.draw();
      image.src = imageUrl(point.image_id, 96);
      this.images.set(point.image_id, image);
    }
    if (!image.complete || !image.naturalWidth) return false;
    const [x, y] = this.place(point);
    const { context } = this;
    context.fillStyle = colorOf(this.labels, point.label);
    context.beginPath();
    context.roundRect(x - half - 2, y - half - 2, 2 * half + 4, 2 * half + 4, 7);
    context.fill();
    context.fillStyle = "#fff";
    context.fillRect(x - half, y - half, 2 * half, 2 * half);
    const fit = (2 * half) / Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth * fit, image.naturalHeight * fit];
    context.drawImage(image, x - width / 2, y - height / 2, width, height);
    return true;
  }
}

/** [item, cost] of the least cost; [null, Infinity] of no items. */
function leastOf(items, cost) {
  return items.reduce(
    (best, item) => {
      const value = cost(item);
      return value < best[1] ? [item, value] : best;
    },
    [null, Infinity],
  );
}
