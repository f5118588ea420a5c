"use strict";
// The map of slots: 128 by 128 pixels, a slot each, row by row.

const slotMap = {
  side: 128,
  status: null,
  rows: new Int32Array(16384).fill(-1), // of status.slots, by slot
  highlighted: -1, // index of a node
  selected: -1, // slot
  drawn: "",

  show(status) {
    this.status = status;
    this.rows.fill(-1);
    status.slots.forEach((row, i) => this.rows.fill(i, row[0], row[1] + 1));
    this.draw();
    if (this.selected >= 0) this.describe(this.selected);
  },

  draw() {
    const context = document.getElementById("slots").getContext("2d");
    const image = context.createImageData(this.side, this.side);
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const empty = dark ? [43, 53, 64] : [213, 218, 225];
    const paper = dark ? [23, 32, 41] : [255, 255, 255];
    for (let slot = 0; slot < 16384; slot++) {
      const row = this.status.slots[this.rows[slot]];
      const primary = row ? row[2] : -1;
      let rgb = nodeRGB(primary) || empty;
      // A slot on its way shows where it goes, in stripes.
      if (row && row[3] >= 0 && ((slot >> 1) + (slot >> 7)) % 4 < 2) rgb = nodeRGB(row[3]);
      let share = 1;
      const node = this.status.nodes[primary];
      if (node && node.health !== "alive") share = (slot + (slot >> 7)) % 2 ? 0.25 : 0.6;
      if (this.highlighted >= 0 && primary !== this.highlighted) share *= row && row.indexOf(this.highlighted, 4) >= 0 ? 0.4 : 0.13;
      if (slot === this.selected) share = 0;
      const at = slot * 4;
      for (let c = 0; c < 3; c++) image.data[at + c] = Math.round(rgb[c] * share + paper[c] * (1 - share));
      image.data[at + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  },

  // describe shows what is known of a slot beside it.
  describe(slot) {
    const tip = document.getElementById("tip");
    const canvas = document.getElementById("slots");
    this.selected = slot;
    const row = this.status && this.status.slots[this.rows[slot]];
    if (!row) {
      tip.hidden = true;
      return;
    }
    const node = (i, role) => {
      const n = this.status.nodes[i];
      return el("div", "", swatch(i), n ? n.addr : "nobody", el("span", "muted", role));
    };
    const lines = [node(row[2], "primary")];
    for (const i of row.slice(4)) lines.push(node(i, "replica"));
    if (row[3] >= 0) lines.push(node(row[3], "takes it over"));
    tip.replaceChildren(el("b", "", `Slot ${slot}`), el("span", "muted", ` of ${row[0]}–${row[1]}`), ...lines);
    tip.hidden = false;
    const cell = canvas.clientWidth / this.side;
    const x = (slot % this.side) * cell;
    const y = Math.floor(slot / this.side) * cell;
    tip.style.left = `${x + tip.offsetWidth + 24 > canvas.clientWidth ? Math.max(0, x - tip.offsetWidth - 14) : x + 16}px`;
    tip.style.top = `${y + tip.offsetHeight + 24 > canvas.clientHeight ? Math.max(0, y - tip.offsetHeight - 14) : y + 16}px`;
  },

  leave() {
    this.selected = -1;
    document.getElementById("tip").hidden = true;
    if (this.status) this.draw();
  },

  highlight(index) {
    this.highlighted = index;
    if (this.status) this.draw();
  },

  listen() {
    const canvas = document.getElementById("slots");
    canvas.addEventListener("mousemove", (e) => {
      const box = canvas.getBoundingClientRect();
      const part = (at, from, length) => Math.max(0, Math.min(this.side - 1, Math.floor(((at - from) / length) * this.side)));
      this.describe(part(e.clientY, box.top, box.height) * this.side + part(e.clientX, box.left, box.width));
      if (this.status) this.draw();
    });
    canvas.addEventListener("mouseleave", () => this.leave());
    canvas.addEventListener("blur", () => this.leave());
    canvas.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.side, ArrowDown: this.side }[e.key];
      if (step === undefined) return;
      e.preventDefault();
      const from = this.selected < 0 ? (step > 0 ? -step : 0) : this.selected;
      this.describe(Math.max(0, Math.min(16383, from + step)));
      if (this.status) this.draw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.status && this.draw());
  },
};
