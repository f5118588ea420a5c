"use strict";
// The page asks the node it came from, once a second; that node asks the others.

const period = 1000;
const patience = 4000;
const history = new Map(); // by node ID, and "all": operations a second, the oldest first
let lastAnswer = 0;

const $ = (id) => document.getElementById(id);

function remember(key, value) {
  const values = history.get(key) || [];
  values.push(value);
  if (values.length > 60) values.shift();
  history.set(key, values);
  return values;
}

function sum(status, read) {
  return status.nodes.reduce((total, n) => total + (n.report ? read(n.report) : 0), 0);
}

// lagOf is how far a node's copies are behind, at most; null: it follows nobody.
function lagOf(node) {
  const links = (node.report && node.report.links) || [];
  if (links.length === 0) return null;
  if (links.some((l) => !l.up)) return Infinity;
  return Math.max(...links.map((l) => l.lag));
}

function tile(name, value, note, graph) {
  return el("div", "tile", el("div", "name", name), el("div", "value", value), el("div", "note", note), graph);
}

function showTiles(status) {
  const cluster = status.mode === "cluster";
  const alive = status.nodes.filter((n) => n.health === "alive").length;
  const ops = sum(status, (r) => r.ops);
  const hits = sum(status, (r) => r.hits);
  const looked = hits + sum(status, (r) => r.misses);
  const memory = sum(status, (r) => r.memory);
  const limited = status.nodes.every((n) => !n.report || n.report.max_memory > 0);
  const limit = sum(status, (r) => r.max_memory);
  const tiles = [
    tile("Operations per second", count(ops), `${count(sum(status, (r) => r.processed))} since the start`, spark(remember("all", ops), "currentColor")),
    tile("Memory", size(memory), limited && limit > 0 ? `of ${size(limit)}` : `${size(sum(status, (r) => r.resident))} resident`),
    tile("Keys", count(sum(status, (r) => r.keys)), cluster ? "copies included" : `${count(sum(status, (r) => r.expired))} expired`),
    tile("Hit ratio", looked ? `${((hits / looked) * 100).toFixed(1)} %` : "–", `${count(hits)} of ${count(looked)} lookups`),
    tile("Clients", count(sum(status, (r) => r.clients)), `${count(sum(status, (r) => r.blocked))} blocked`),
  ];
  if (cluster) {
    const lags = status.nodes.map(lagOf).filter((l) => l !== null);
    const worst = lags.length ? Math.max(...lags) : 0;
    tiles.splice(0, 0, tile("Nodes", `${alive} of ${status.nodes.length}`, status.serving === 16384 ? "all slots served" : `${exact(status.serving)} of 16,384 slots served`));
    tiles.push(tile("Replica lag", lags.length === 0 ? "–" : worst === Infinity ? "link down" : span(worst), "of the slowest replica"));
  }
  $("tiles").replaceChildren(...tiles);
}

const healthPills = { alive: "ok", suspect: "warn", failed: "bad", unknown: "bad" };
const statePills = { leaving: "warn", stopped: "warn", failed: "bad", joining: "warn" };

function nodePill(n) {
  if (n.state !== "active" && n.health === "alive") return el("span", `pill ${statePills[n.state] || ""}`, n.state);
  if (n.state === "stopped") return el("span", "pill warn", "stopped");
  if (n.health === "alive" && n.report && n.report.ready) {
    const p = el("span", "pill warn", "not ready");
    p.title = n.report.ready;
    return p;
  }
  return el("span", `pill ${healthPills[n.health] || ""}`, n.health);
}

function memoryCell(r) {
  if (r.max_memory > 0) {
    const share = r.memory / r.max_memory;
    return el("td", "", `${size(r.memory)} of ${size(r.max_memory)}`, bar(share, share > 0.97 ? "bad" : share > 0.85 ? "warn" : ""));
  }
  return el("td", "", size(r.memory), el("small", "", `${size(r.resident)} resident`));
}

function nodeRow(status, n, index) {
  const r = n.report;
  const roles = el("span", "roles",
    n.controller ? el("span", "pill role", "controller") : null,
    n.self && status.mode === "cluster" ? el("span", "pill role", "this node") : null);
  const detail = el("small", "");
  if (n.id) detail.append(el("code", "", n.id.slice(0, 8)));
  for (const text of [n.zone, r && r.version]) if (text) detail.append(n.id || text !== n.zone ? ` · ${text}` : text);
  const name = el("td", "", el("div", "node", swatch(index), el("div", "", el("b", "", n.addr), " ", roles, detail)));
  const slots = el("td", "num", exact(n.primary), el("small", "", status.mode === "cluster" ? `${exact(n.replica)} as replica` : "all of them"));
  const row = el("tr", r ? "" : "away", name, el("td", "", nodePill(n)), slots);
  row.dataset.node = n.id || "";
  row.addEventListener("mouseenter", () => slotMap.highlight(index));
  row.addEventListener("mouseleave", () => slotMap.highlight(-1));
  if (!r) {
    const why = el("td", "muted", n.error === n.health ? "no report" : n.error || "no report");
    why.colSpan = 6;
    row.append(why);
    return row;
  }
  const lag = lagOf(n);
  row.append(
    el("td", "num", spark(remember(n.id || "self", r.ops), nodeColour(index)), count(r.ops)),
    el("td", "num", count(r.keys)), memoryCell(r), el("td", "num", count(r.clients)),
    el("td", "num", lag === null ? "–" : lag === Infinity ? "link down" : span(lag)), el("td", "num", span(r.uptime)));
  return row;
}

function showNodes(status) {
  const body = $("nodes").tBodies[0];
  body.replaceChildren(...status.nodes.map((n, i) => nodeRow(status, n, i)));
}

function showLegend(status) {
  $("legend").replaceChildren(...status.nodes.map((n, i) => {
    const item = el("li", "", swatch(i), n.addr, el("span", "muted", exact(n.primary)));
    item.addEventListener("mouseenter", () => slotMap.highlight(i));
    item.addEventListener("mouseleave", () => slotMap.highlight(-1));
    return item;
  }));
  const free = 16384 - status.assigned;
  const factor = status.replicas === 1 ? "1 replica each" : `${status.replicas} replicas each`;
  $("slots-note").textContent = free > 0 ? `${exact(free)} have no primary` : `16,384, ${factor}`;
}

// named is a node by colour and address; what is not in the list is shown by ID.
function named(status, id) {
  const index = status.nodes.findIndex((n) => n.id === id);
  return el("span", "", index < 0 ? id.slice(0, 8) : status.nodes[index].addr);
}

function showMoves(status) {
  const phases = { copy: "copies", handoff: "takes over" };
  const moves = status.moves.map((m) => {
    const percent = `${Math.floor(m.done * 100)} %`;
    const from = status.nodes.findIndex((n) => n.id === m.from);
    const to = status.nodes.findIndex((n) => n.id === m.to);
    const what = el("div", "what", swatch(from), named(status, m.from), el("span", "muted", "→"), swatch(to), named(status, m.to),
      el("span", "grow"), el("span", "muted", `${phases[m.phase] || m.phase} ${exact(m.slots)} slots${m.bytes ? `, ${size(m.bytes)} so far` : ""}`),
      el("span", "num", percent));
    const progress = bar(m.done);
    progress.setAttribute("role", "progressbar");
    progress.setAttribute("aria-valuenow", String(Math.floor(m.done * 100)));
    if (to >= 0) progress.firstChild.style.background = nodeColour(to);
    return el("div", "move", what, progress);
  });
  $("moves").replaceChildren(...(moves.length ? moves : [el("div", "muted", "Nothing is on its way.")]));
}

const eventPills = {
  "cluster-formed": "ok", "node-joined": "ok", "node-up": "ok", "lease-back": "ok", "move-end": "ok",
  "node-suspect": "warn", "failover-waits": "warn", "lease-lost": "warn", "move-abort": "warn", "failover": "warn",
  "node-down": "bad", "effects-lost": "bad", "slots-lost": "bad",
};

function showEvents(status) {
  const events = status.events.map((e) => {
    const text = el("span", "text");
    if (e.node) text.append(named(status, e.node));
    if (e.peer) text.append(el("span", "muted", " → "), named(status, e.peer));
    const facts = [];
    if (e.slots) facts.push(`slots ${e.slots.length > 60 ? `${e.slots.slice(0, 57)}…` : e.slots}`);
    if (e.took) facts.push(`took ${span(e.took)}`);
    if (e.lost) facts.push(`${count(e.lost)} effects lost`);
    if (e.reason) facts.push(e.reason);
    if (facts.length) text.append(el("span", "muted", ` ${facts.join(" · ")}`));
    const time = el("time", "", clock(e.at));
    time.dateTime = new Date(e.at).toISOString();
    time.title = time.dateTime;
    return el("li", "", time, el("span", `pill ${eventPills[e.kind] || ""}`, e.kind), text);
  });
  $("events").replaceChildren(...(events.length ? events : [el("li", "muted", "None yet.")]));
}

function showHeader(status) {
  const pills = { ok: "ok", degraded: "warn", forming: "warn", down: "bad" };
  const state = $("state");
  state.textContent = status.state;
  state.className = `pill ${pills[status.state] || ""}`;
  $("reason").textContent = status.reason || "";
  const self = status.nodes.find((n) => n.self);
  $("facts").textContent = status.mode === "cluster"
    ? `map ${status.map_version} · term ${status.term} · seen from ${self ? self.addr : "here"}`
    : "standalone";
  document.title = `${status.state === "ok" ? "" : `${status.state} · `}respkv ${self ? self.addr : ""}`;
}

function show(status) {
  showHeader(status);
  showTiles(status);
  showNodes(status);
  $("cluster-part").hidden = status.mode !== "cluster";
  if (status.mode !== "cluster") return;
  slotMap.show(status);
  showLegend(status);
  showMoves(status);
  showEvents(status);
}

async function ask() {
  try {
    const answer = await fetch("api/status", { signal: AbortSignal.timeout(patience), cache: "no-store" });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    show(await answer.json());
    lastAnswer = Date.now();
    document.body.classList.remove("stale");
    $("stale").hidden = true;
    $("pulse").classList.add("beat");
    requestAnimationFrame(() => requestAnimationFrame(() => $("pulse").classList.remove("beat")));
  } catch (error) {
    document.body.classList.add("stale");
    $("stale").hidden = false;
    $("stale").textContent = `This node does not answer${lastAnswer ? `; what is shown is from ${clock(lastAnswer)}` : ""}. (${error.message})`;
  }
  setTimeout(ask, period);
}

slotMap.listen();
ask();
