// The scene from above, in metres: camera at the bottom, x to the right, z (ahead) up.

import { colourOf, shortened, tellable } from "./lists.js";

const MARGIN = 26;

export class TopView {
  constructor(canvas, scaleLabel, onChoose) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.scaleLabel = scaleLabel;
    this.bounds = null;
    this.places = [];
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const hit = this.places.findLast((p) =>
        Math.abs(x - p.x) <= p.width / 2 + 4 && Math.abs(y - p.y) <= p.height / 2 + 4);
      onChoose(hit?.id ?? null);
    });
  }

  /** Bounds that follow the objects slowly, so that the drawing does not jump. */
  follow(objects) {
    const xs = objects.flatMap((o) => [o.extent.position[0] - o.extent.size[0] / 2,
      o.extent.position[0] + o.extent.size[0] / 2]);
    const zs = objects.flatMap((o) => [o.extent.position[2] - o.extent.size[2] / 2,
      o.extent.position[2] + o.extent.size[2] / 2]);
    const wanted = {
      left: Math.min(-0.2, ...xs), right: Math.max(0.2, ...xs),
      near: Math.min(...zs, 0.6), far: Math.max(...zs, 0.8),
    };
    if (!this.bounds) this.bounds = wanted;
    for (const side of Object.keys(wanted)) {
      this.bounds[side] += (wanted[side] - this.bounds[side]) * 0.12;
    }
    return this.bounds;
  }

  draw(graph, view) {
    const { canvas, context } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(document.documentElement);
    const ink = { grid: style.getPropertyValue("--grid"), text: style.getPropertyValue("--text"),
      quiet: style.getPropertyValue("--quiet"), lightness: parseInt(style.getPropertyValue("--lightness")) };
    const objects = graph.objects.filter((o) => o.extent)
      .sort((a, b) => b.extent.position[2] - a.extent.position[2]);
    this.places = [];
    if (objects.length === 0) {
      this.bounds = null;
      context.fillStyle = ink.quiet;
      context.font = "13px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillText("No object with a position yet.", width / 2, height / 2);
      context.textAlign = "left";
      return;
    }
    const { left, right, near, far } = this.follow(objects);
    const scale = Math.min((width - 2 * MARGIN) / (right - left), (height - 2 * MARGIN) / (far - near));
    const middle = (left + right) / 2;
    const toX = (x) => width / 2 + (x - middle) * scale;
    const toY = (z) => height - MARGIN - (z - near) * scale;
    this.drawGrid(ink, scale, width, height, toX, toY, middle, near);
    this.drawCamera(ink, toX(0), Math.min(toY(0), height - 7), toY(0) > height - 7);
    for (const o of objects) {
      this.places.push({ id: o.id, label: shortened(o.label), x: toX(o.extent.position[0]),
        y: toY(o.extent.position[2]), width: Math.max(8, o.extent.size[0] * scale),
        height: Math.max(8, o.extent.size[2] * scale) });
    }
    this.drawEdges(graph, view, ink);
    this.drawObjects(view, ink);
  }

  drawGrid(ink, scale, width, height, toX, toY, middle, near) {
    const { context } = this;
    const step = [0.1, 0.2, 0.5, 1, 2, 5].find((s) => s * scale >= 34) ?? 10;
    this.scaleLabel.textContent = `grid ${step} m`;
    context.strokeStyle = ink.grid;
    context.fillStyle = ink.quiet;
    context.font = "10.5px system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.lineWidth = 1;
    context.beginPath();
    const from = middle - width / 2 / scale;
    for (let x = Math.ceil(from / step) * step; toX(x) < width; x += step) {
      context.moveTo(Math.round(toX(x)) + 0.5, 0);
      context.lineTo(Math.round(toX(x)) + 0.5, height);
    }
    const start = near - MARGIN / scale;
    for (let z = Math.ceil(start / step) * step; toY(z) > 0; z += step) {
      const y = Math.round(toY(z)) + 0.5;
      context.moveTo(0, y);
      context.lineTo(width, y);
      if (z > 0 && y > 14) context.fillText(`${Number(z.toFixed(1))} m`, 2, y - 1);
    }
    context.stroke();
  }

  drawCamera(ink, x, y, below) {
    const { context } = this;
    context.fillStyle = ink.quiet;
    context.beginPath();
    context.moveTo(x, y - 9);
    context.lineTo(x + 7, y + 4);
    context.lineTo(x - 7, y + 4);
    context.fill();
    context.font = "10.5px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillText(below ? "camera (below)" : "camera", x + 11, y - 1);
  }

  drawEdges(graph, view, ink) {
    const { context } = this;
    const places = new Map(this.places.map((p) => [p.id, p]));
    context.strokeStyle = ink.quiet;
    context.globalAlpha = 0.6;
    context.lineWidth = 1.5;
    for (const relation of tellable(graph, view.chosen)) {
      const [a, b] = [places.get(relation.subject_id), places.get(relation.object_id)];
      if (!a || !b) continue;
      context.setLineDash(relation.source === "contradicted" ? [4, 4] : []);
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x, b.y);
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  drawObjects(view, ink) {
    const { context } = this;
    const dim = (id) => view.chosen.size > 0 && !view.chosen.has(id);
    for (const place of this.places) {
      const { id, x, y, width, height } = place;
      context.globalAlpha = dim(id) ? 0.3 : 1;
      context.fillStyle = colourOf(id, ink.lightness, 0.28);
      context.strokeStyle = colourOf(id, ink.lightness);
      context.lineWidth = view.chosen.has(id) ? 3 : 2;
      context.beginPath();
      context.roundRect(x - width / 2, y - height / 2, width, height, 3);
      context.fill();
      context.stroke();
    }
    context.font = "600 11.5px system-ui, sans-serif";
    context.textBaseline = "middle";
    const taken = [];
    for (const { id, label, x, y, width, height } of this.places.toReversed()) {
      const text = context.measureText(label).width;
      const spots = [[x + width / 2 + 4, y], [x - width / 2 - 4 - text, y],
        [x - text / 2, y - height / 2 - 8], [x - text / 2, y + height / 2 + 8]];
      const inside = ([tx]) => tx >= 0 && tx + text <= this.canvas.clientWidth;
      const free = ([tx, ty]) => inside([tx]) && taken.every((t) =>
        tx + text < t[0] || t[0] + t[2] < tx || Math.abs(ty - t[1]) > 12);
      const [tx, ty] = spots.find(free) ?? spots[0];
      taken.push([tx, ty, text]);
      context.globalAlpha = dim(id) ? 0.35 : 1;
      context.fillStyle = ink.text;
      context.fillText(label, tx, ty);
    }
    context.globalAlpha = 1;
  }
}
