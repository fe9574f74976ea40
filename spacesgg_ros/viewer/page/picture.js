// The camera picture with boxes, labels and relation arrows. Text is drawn, never parsed as HTML.

import { colourOf, shortened, tellable } from "./lists.js";

const LABEL_HEIGHT = 18;

export class Picture {
  constructor(canvas, onChoose) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.image = null;
    this.graph = null;
    canvas.addEventListener("click", (event) => onChoose(this.objectAt(event)?.id ?? null));
  }

  /** Where the picture lies in the canvas, in CSS pixels: fitted, centred. */
  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / this.graph.width, clientHeight / this.graph.height);
    return {
      scale,
      left: (clientWidth - this.graph.width * scale) / 2,
      top: (clientHeight - this.graph.height * scale) / 2,
    };
  }

  objectAt(event) {
    if (!this.graph) return null;
    const bounds = this.canvas.getBoundingClientRect();
    const { scale, left, top } = this.fit();
    const x = (event.clientX - bounds.left - left) / scale;
    const y = (event.clientY - bounds.top - top) / scale;
    const area = (o) => (o.box_px[2] - o.box_px[0]) * (o.box_px[3] - o.box_px[1]);
    return this.graph.objects
      .filter(({ box_px: b }) => x >= b[0] && x <= b[2] && y >= b[1] && y <= b[3])
      .sort((a, b) => area(a) - area(b))[0] ?? null;
  }

  draw(image, graph, view) {
    this.image = image;
    this.graph = graph;
    const { canvas, context } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { scale, left, top } = this.fit();
    if (image) context.drawImage(image, left, top, graph.width * scale, graph.height * scale);
    const boxes = new Map(graph.objects.map((o) => [o.id, o.box_px.map(
      (value, i) => (i % 2 ? top : left) + value * scale)]));
    context.save();
    context.beginPath();
    context.rect(left, top, graph.width * scale, graph.height * scale);
    context.clip();
    const taken = []; // where text stands already
    if (view.edges) this.drawEdges(graph, boxes, view.chosen, taken);
    const area = { left, width: graph.width * scale, top };
    if (view.boxes) this.drawBoxes(graph, boxes, view.chosen, area, taken);
    context.restore();
  }

  drawBoxes(graph, boxes, chosen, area, taken) {
    const { context } = this;
    // Far objects first, so that the labels of near ones lie on top.
    const order = [...graph.objects].sort((a, b) => depth(b) - depth(a));
    for (const object of order) {
      const [x0, y0, x1, y1] = boxes.get(object.id);
      const dim = chosen.size > 0 && !chosen.has(object.id);
      context.globalAlpha = dim ? 0.35 : 1;
      context.lineWidth = chosen.has(object.id) ? 3 : 2;
      context.strokeStyle = colourOf(object.id, 62);
      context.beginPath();
      context.roundRect(x0, y0, Math.max(x1 - x0, 1), Math.max(y1 - y0, 1), 3);
      context.stroke();
    }
    for (const object of order.reverse()) {
      const dim = chosen.size > 0 && !chosen.has(object.id);
      context.globalAlpha = dim ? 0.35 : 1;
      this.drawLabel(object, boxes.get(object.id), taken, area);
    }
    context.globalAlpha = 1;
  }

  drawLabel(object, [x0, y0, , y1], taken, area) {
    const { context } = this;
    const metres = object.extent ? `  ${object.extent.depth_median_m.toFixed(2)} m` : "  no depth";
    context.font = "600 12px system-ui, sans-serif";
    const label = shortened(object.label);
    const nameWidth = context.measureText(label).width;
    context.font = "12px system-ui, sans-serif";
    const width = nameWidth + context.measureText(metres).width + 12;
    const x = Math.max(area.left, Math.min(x0 - 1, area.left + area.width - width));
    const places = [y0 - LABEL_HEIGHT - 1, y1 + 1, y0 + 2, y1 - LABEL_HEIGHT - 2,
      y0 - 2 * LABEL_HEIGHT - 2];
    const free = (y) => y >= area.top && taken.every((t) =>
      x + width < t.x || t.x + t.width < x || y + LABEL_HEIGHT <= t.y || t.y + LABEL_HEIGHT <= y);
    const y = places.find(free) ?? Math.max(places[0], area.top);
    taken.push({ x, y, width });
    context.fillStyle = colourOf(object.id, 62);
    context.beginPath();
    context.roundRect(x, y, width, LABEL_HEIGHT, 4);
    context.fill();
    context.fillStyle = "#0b0d10";
    context.textBaseline = "middle";
    context.font = "600 12px system-ui, sans-serif";
    context.fillText(label, x + 6, y + LABEL_HEIGHT / 2 + 0.5);
    context.font = "12px system-ui, sans-serif";
    context.fillText(metres, x + 6 + nameWidth, y + LABEL_HEIGHT / 2 + 0.5);
  }

  drawEdges(graph, boxes, chosen, taken) {
    const { context } = this;
    const pairs = new Set();
    for (const relation of tellable(graph, chosen)) {
      const from = boxes.get(relation.subject_id);
      const to = boxes.get(relation.object_id);
      const pair = [relation.subject_id, relation.object_id].sort().join();
      if (!from || !to || pairs.has(pair)) continue;
      pairs.add(pair);
      const [ax, ay] = centre(from);
      const [bx, by] = centre(to);
      const length = Math.hypot(bx - ax, by - ay);
      if (length < 12) continue;
      const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
      // Bent a little, so that edges between objects in a row stay apart.
      const bend = Math.min(28, length * 0.16);
      const [mx, my] = [(ax + bx) / 2 - uy * bend, (ay + by) / 2 + ux * bend];
      context.lineWidth = 4.5;
      context.strokeStyle = "rgb(0 0 0 / 45%)";
      curve(context, ax, ay, mx, my, bx, by);
      context.lineWidth = 2;
      context.setLineDash(relation.source === "contradicted" ? [5, 4] : []);
      context.strokeStyle = relation.source === "contradicted" ? "#ff8278" : "#ffffff";
      curve(context, ax, ay, mx, my, bx, by);
      context.setLineDash([]);
      arrowHead(context, mx, my, bx, by);
      const [x, y] = [(ax + 2 * mx + bx) / 4, (ay + 2 * my + by) / 4];
      if (length > 70) taken.push(this.drawPredicate(relation, x, y));
    }
  }

  drawPredicate(relation, x, y) {
    const { context } = this;
    context.font = "500 11.5px system-ui, sans-serif";
    const width = context.measureText(relation.predicate).width + 10;
    context.fillStyle = "rgb(10 13 17 / 82%)";
    context.beginPath();
    context.roundRect(x - width / 2, y - 8.5, width, 17, 8);
    context.fill();
    context.fillStyle = relation.source === "contradicted" ? "#ff8278" : "#ffffff";
    context.textBaseline = "middle";
    context.fillText(relation.predicate, x - width / 2 + 5, y + 0.5);
    return { x: x - width / 2, y: y - 9, width };
  }
}

function depth(object) {
  return object.extent?.depth_median_m ?? Infinity;
}

function centre([x0, y0, x1, y1]) {
  return [(x0 + x1) / 2, (y0 + y1) / 2];
}

function curve(context, ax, ay, mx, my, bx, by) {
  context.beginPath();
  context.moveTo(ax, ay);
  context.quadraticCurveTo(mx, my, bx, by);
  context.stroke();
}

function arrowHead(context, mx, my, bx, by) {
  const angle = Math.atan2(by - my, bx - mx);
  context.fillStyle = context.strokeStyle;
  context.beginPath();
  context.moveTo(bx, by);
  for (const side of [0.42, -0.42]) {
    context.lineTo(bx - 10 * Math.cos(angle + side), by - 10 * Math.sin(angle + side));
  }
  context.fill();
}
