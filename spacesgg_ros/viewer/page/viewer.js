// Receives graphs as Server-Sent Events and hands them to the views; asks the operator's questions.

import { ObjectList, RelationList, seconds } from "./lists.js";
import { Picture } from "./picture.js";
import { TopView } from "./topview.js";

const element = (id) => document.getElementById(id);
const STALE_MS = 2000;
const LIST_PERIOD_MS = 250;

const view = { chosen: new Set(), boxes: true, edges: true };
let latest = null; // newest update received
let shown = null; // { image, update } on the screen
let loading = false;
let receivedAt = 0;
let connected = true;
let listsDrawnAt = 0;

function choose(...ids) {
  const wanted = ids.filter((id) => id !== null);
  const same = wanted.length === view.chosen.size && wanted.every((id) => view.chosen.has(id));
  view.chosen = new Set(same ? [] : wanted);
  redraw();
}

const picture = new Picture(element("picture"), choose);
const topView = new TopView(element("topview"), element("scale"), choose);
const objectList = new ObjectList(element("objects"), element("object-count"), choose);
const relationList = new RelationList(element("relations"), element("relation-count"), choose);

// --- receiving -----------------------------------------------------------------------------------
function listen() {
  const events = new EventSource("events");
  events.onopen = () => { connected = true; showState(); };
  events.onerror = () => { connected = false; showState(); };
  events.onmessage = (event) => {
    latest = JSON.parse(event.data);
    receivedAt = performance.now();
    connected = true;
    load();
  };
}

/** Load the picture of the newest update; updates that come meanwhile are left out, not queued. */
async function load() {
  if (loading) return;
  loading = true;
  while (latest && latest !== shown?.update) {
    const update = latest;
    let image = null;
    if (update.has_image) {
      try {
        const answer = await fetch(`image/${update.version}.jpg`);
        if (answer.ok) image = await createImageBitmap(await answer.blob());
      } catch { /* the next update brings another */ }
    }
    // A graph without its picture (it came late) is drawn over the one before.
    if (image) shown?.image?.close();
    shown = { image: image ?? shown?.image ?? null, update };
    if (!document.hidden) await new Promise(requestAnimationFrame);
    redraw(false);
  }
  loading = false;
}

// --- drawing -------------------------------------------------------------------------------------
function redraw(lists = true) {
  if (!shown) return;
  const { graph, status } = shown.update;
  for (const id of view.chosen) {
    if (!graph.objects.some((o) => o.id === id)) view.chosen.delete(id);
  }
  const frame = element("picture").parentElement;
  frame.style.aspectRatio = `${graph.width} / ${graph.height}`;
  element("placeholder").hidden = true;
  picture.draw(shown.image, graph, view);
  topView.draw(graph, view);
  if (lists || performance.now() - listsDrawnAt > LIST_PERIOD_MS) {
    listsDrawnAt = performance.now();
    objectList.draw(graph, view);
    relationList.draw(graph, view);
    suggest(graph);
    showStatus(graph, status);
  }
  showState();
}

function showState() {
  const silent = performance.now() - receivedAt;
  let [state, text] = ["live", "live"];
  if (!connected) [state, text] = ["lost", "connection lost, trying again"];
  else if (!latest) [state, text] = ["waiting", "waiting for the first graph"];
  else if (silent > STALE_MS) [state, text] = ["stale", `no new graph for ${Math.round(silent / 1000)} s`];
  const place = element("state");
  if (place.textContent !== text) place.textContent = text;
  place.dataset.state = state;
  element("picture").parentElement.classList.toggle("stale", state === "lost" || state === "stale");
}

function showStatus(graph, status) {
  const set = (id, text) => { if (element(id).textContent !== text) element(id).textContent = text; };
  set("rate", status.rate_hz == null ? "–" : `${status.rate_hz.toFixed(1)} Hz`);
  const ms = (value) => (value == null ? "–" : Math.round(value));
  set("age", status.age_ms_p50 == null ? "–" : `${ms(status.age_ms_p50)} / ${ms(status.age_ms_p95)} ms`);
  const since = (graph.stamp_ns - graph.keyframe_stamp_ns) * 1e-9;
  set("keyframe", graph.keyframe_stamp_ns ? `${seconds(Math.max(0, since))} ago` : "not yet");
  const model = [graph.model_id, status.provider].filter(Boolean).join(" · ");
  set("model", model || "–");
  element("model").title = model;
  fillTable("stages", Object.entries(graph.stage_ms ?? {}).map(([k, v]) => [k, v.toFixed(1)]));
  const drops = Object.entries(status.drops ?? {}).filter(([, count]) => count > 0);
  fillTable("drops", drops.length ? drops.map(([k, v]) => [k.replaceAll("_", " "), String(v)]) : [["none", ""]]);
  set("health-brief", `· ${status.frames_in ?? 0} frames in, ${status.graphs_out ?? 0} graphs out, ${status.left_out ?? 0} left out`);
}

function fillTable(id, rows) {
  const body = element(id);
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    cells.forEach((text, j) => {
      const cell = row.cells[j] ?? row.insertCell();
      if (cell.textContent !== text) cell.textContent = text;
    });
  });
}

function suggest(graph) {
  const labels = [...new Set(graph.objects.map((o) => o.label))].sort();
  const list = element("labels");
  if (labels.join("\n") === list.dataset.labels) return;
  list.dataset.labels = labels.join("\n");
  list.replaceChildren(...labels.map((value) => Object.assign(document.createElement("option"), { value })));
}

// --- asking --------------------------------------------------------------------------------------
element("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = Object.fromEntries(["subject", "predicate", "object", "viewpoint"]
    .map((name) => [name, element(name).value.trim()]));
  const say = (kind, text) => {
    element("answer").dataset.kind = kind;
    element("answer").textContent = text;
  };
  try {
    const answer = await fetch("query", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
    });
    const body = await answer.json();
    if (!answer.ok) return say("failed", body.error ?? answer.statusText);
    say(body.ok ? "yes" : "no", body.text);
    view.chosen = new Set(body.ok ? body.object_ids : []);
    redraw();
  } catch {
    say("failed", "The demo does not answer; is it still running?");
  }
});

// --- keys and switches ---------------------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    element("subject").focus();
  } else if (event.key === "Escape") {
    view.chosen.clear();
    if (typing) event.target.blur();
    redraw();
  }
});
for (const [id, name] of [["show-boxes", "boxes"], ["show-edges", "edges"]]) {
  element(id).addEventListener("change", (event) => { view[name] = event.target.checked; redraw(); });
}
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  redraw();
}
element("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", theme); } catch { /* kept for this page only */ }
  setTheme(theme);
});
let kept = null;
try { kept = localStorage.getItem("theme"); } catch { /* no storage: the system's choice */ }
setTheme(kept ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));

new ResizeObserver(() => redraw()).observe(element("picture"));
new ResizeObserver(() => redraw()).observe(element("topview"));
setInterval(showState, 500);
listen();
