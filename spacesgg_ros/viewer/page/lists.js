// The lists of objects and relations, and what the views share: colours, order, wording.

const SOURCES = {
  both: "model + depth", model: "model", contradicted: "depth disagrees", geometry: "depth",
};
const RANK = { both: 0, contradicted: 1, model: 2, geometry: 3 };
const MOST_RELATIONS = 60;

/** A colour per object that stays with its id; neighbours in id are far apart in hue. */
export function colourOf(id, lightness, alpha = 1) {
  return `hsl(${(id * 137.508 + 18) % 360} 72% ${lightness}% / ${alpha})`;
}

/** Relations worth drawing: all of the chosen objects, else those the model spoke of. */
export function tellable(graph, chosen) {
  const sorted = [...graph.relations].sort((a, b) => RANK[a.source] - RANK[b.source]);
  if (chosen.size > 1) {
    return sorted.filter((r) => chosen.has(r.subject_id) && chosen.has(r.object_id));
  }
  if (chosen.size === 1) return sorted.filter((r) => chosen.has(r.subject_id));
  return sorted.filter((r) => r.source !== "geometry");
}

/** A label that fits into a drawing. */
export function shortened(label) {
  return label.length > 24 ? `${label.slice(0, 23)}…` : label;
}

/** Seconds as people say them. */
export function seconds(value) {
  if (value == null) return "–";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

export class ObjectList {
  constructor(list, count, onChoose) {
    Object.assign(this, { list, count, onChoose, rows: new Map() });
  }

  draw(graph, view) {
    const lightness = parseInt(getComputedStyle(document.documentElement)
      .getPropertyValue("--lightness"));
    const objects = [...graph.objects].sort((a, b) => a.id - b.id);
    this.count.textContent = objects.length ? `${objects.length} · x right, y down, z ahead, metres` : "";
    keyed(this, objects, (o) => String(o.id), () => {
      const row = button(["dot", "id", "name", "position", "number distance", "number quiet age"]);
      return row;
    }, (row, o) => {
      row.onclick = () => this.onChoose(o.id);
      row.setAttribute("aria-pressed", String(view.chosen.has(o.id)));
      const [dot, id, name, position, distance, age] = row.children;
      // Set through the object model: a style attribute would need a laxer content policy.
      dot.style.background = colourOf(o.id, lightness);
      write(id, `#${o.id}`);
      write(name, o.label);
      name.title = o.label;
      write(position, o.extent ? o.extent.position.map(signed).join(" ") : "2D only");
      write(distance, o.extent ? `${Math.hypot(...o.extent.position).toFixed(2)} m` : "–");
      const since = Math.max(0, (graph.stamp_ns - o.confirmed_stamp_ns) * 1e-9);
      write(age, o.confirmed_stamp_ns ? seconds(since) : "–");
      age.title = "since the model last named it";
    }, "Nothing recognised yet.");
  }
}

export class RelationList {
  constructor(list, count, onChoose) {
    Object.assign(this, { list, count, onChoose, rows: new Map() });
  }

  draw(graph, view) {
    const names = new Map(graph.objects.map((o) => [o.id, o.label]));
    const twice = new Set([...names.values()].filter((n, i, all) => all.indexOf(n) !== i));
    const name = (id) => (twice.has(names.get(id)) ? `${names.get(id)} #${id}` : names.get(id) ?? `#${id}`);
    const shown = view.chosen.size ? tellable(graph, view.chosen) : [...graph.relations];
    shown.sort((a, b) => RANK[a.source] - RANK[b.source] || a.subject_id - b.subject_id
      || a.object_id - b.object_id || (a.predicate < b.predicate ? -1 : 1));
    const total = graph.relations.length;
    this.count.textContent = view.chosen.size ? `${shown.length} of ${total}, chosen objects only`
      : total > MOST_RELATIONS ? `first ${MOST_RELATIONS} of ${total}` : total ? `${total}` : "";
    keyed(this, shown.slice(0, MOST_RELATIONS), (r) => `${r.subject_id} ${r.predicate} ${r.object_id}`,
      () => {
        const row = button(["edge", "number quiet", "source"]);
        row.firstChild.append(document.createElement("b"), document.createElement("i"),
          document.createElement("b"));
        return row;
      }, (row, r) => {
        row.onclick = () => this.onChoose(r.subject_id, r.object_id);
        row.setAttribute("aria-pressed",
          String(view.chosen.size > 1 && view.chosen.has(r.subject_id) && view.chosen.has(r.object_id)));
        const [edge, distance, source] = row.children;
        write(edge.children[0], name(r.subject_id));
        write(edge.children[1], ` ${r.predicate} `);
        write(edge.children[2], name(r.object_id));
        write(distance, r.distance_m == null ? "" : `${(r.distance_m * 100).toFixed(0)} cm`);
        distance.title = "gap between the two, 0 when they touch";
        source.dataset.source = r.source;
        write(source, SOURCES[r.source] ?? r.source);
      }, view.chosen.size ? "No relation." : "No relation yet.");
  }
}

/** Rows that survive from update to update, so that focus and scroll stay where they are. */
function keyed(owner, items, keyOf, make, fill, nothing) {
  const { list, rows } = owner;
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of rows) {
    if (wanted.has(key)) continue;
    row.parentElement.remove();
    rows.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    let row = rows.get(key);
    if (!row) {
      row = make();
      const place = document.createElement("li");
      place.append(row);
      rows.set(key, row);
    }
    if (list.children[index] !== row.parentElement) {
      list.insertBefore(row.parentElement, list.children[index] ?? null);
    }
    fill(row, item);
  });
  let empty = list.querySelector(":scope > .empty");
  if (items.length) empty?.remove();
  else {
    if (!empty) list.append(empty = Object.assign(document.createElement("li"), { className: "empty" }));
    write(empty, nothing);
  }
}

function button(classes) {
  const row = Object.assign(document.createElement("button"), { type: "button" });
  for (const name of classes) {
    row.append(Object.assign(document.createElement("span"), { className: name }));
  }
  return row;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function signed(value) {
  return value.toFixed(2).padStart(6, " ");
}
