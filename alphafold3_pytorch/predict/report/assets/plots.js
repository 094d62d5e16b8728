"use strict";
// Two plots on canvases: the matrix of aligned errors, and pLDDT along the chains.

const PLDDT_BANDS = [[90, "--very-high"], [70, "--confident"], [50, "--low"], [0, "--very-low"]];
const MOST_ERROR = 30; // Å; what is more looks the same
const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A canvas of a size in CSS pixels, sharp on any screen. Draws in CSS pixels.
function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const draw = canvas.getContext("2d");
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.clearRect(0, 0, width, height);
  draw.font = "12px system-ui, sans-serif";
  return draw;
}

// Names of chains at their middles, where there is room for them.
function* chainNames(tokens, length) {
  let end = -1;
  for (const chain of tokens.chains) {
    const middle = ((chain.start + chain.stop) / 2 / tokens.count) * length;
    const half = 4 + 4 * chain.id.length;
    if (middle - half < end) continue;
    end = middle + half;
    yield [chain.id, middle];
  }
}

// Borders of chains, as far as they can be told apart.
function* chainBorders(tokens, length) {
  let last = 0;
  for (const { start } of tokens.chains) {
    const border = (start / tokens.count) * length;
    if (border - last < 3) continue;
    last = border;
    yield border;
  }
}

// An error (Å) as a colour: dark green is sure, white is not.
function green(error) {
  const light = Math.min(error / MOST_ERROR, 1) ** 0.7;
  return [[10, 255], [72, 255], [38, 255]].map(([dark, white]) => Math.round(dark + (white - dark) * light));
}

class PaePlot {
  constructor(canvas, reading, tokens, onSelect) {
    Object.assign(this, { canvas, reading, tokens, onSelect, range: null, image: null, from: null });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", () => this.release());
    canvas.addEventListener("pointercancel", () => this.release());
  }

  show(pae) {
    this.pae = pae;
    this.image = this.paint(pae);
    this.draw();
  }

  // One pixel per value.
  paint({ values, side }) {
    const image = new ImageData(side, side);
    const colours = Array.from({ length: 256 }, (_, value) => [...green(value * this.tokens.paeStep), 255]);
    values.forEach((value, i) => image.data.set(colours[value], 4 * i));
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  draw() {
    if (!this.image) return;
    const width = this.canvas.clientWidth;
    const size = Math.max(120, Math.min(width - 96, 560));
    this.frame = { left: 44, top: 8, size };
    const draw = prepare(this.canvas, width, size + 52);
    draw.imageSmoothingEnabled = this.image.width > size;
    draw.drawImage(this.image, 44, 8, size, size);
    this.drawChains(draw);
    this.drawScale(draw);
    if (this.range) this.drawRange(draw);
  }

  drawChains(draw) {
    const { left, top, size } = this.frame;
    draw.strokeStyle = "#0008";
    draw.strokeRect(left, top, size, size);
    draw.beginPath();
    for (const border of chainBorders(this.tokens, size)) {
      draw.moveTo(left + border, top);
      draw.lineTo(left + border, top + size);
      draw.moveTo(left, top + border);
      draw.lineTo(left + size, top + border);
    }
    draw.stroke();
    draw.fillStyle = colourOf("--text");
    draw.textAlign = "center";
    for (const [name, place] of chainNames(this.tokens, size)) {
      draw.fillText(name, left + place, top + size + 16);
      draw.fillText(name, left - 14, top + place + 4);
    }
    draw.fillStyle = colourOf("--faint");
    draw.fillText("scored residue", left + size / 2, top + size + 36);
    draw.save();
    draw.translate(12, top + size / 2);
    draw.rotate(-Math.PI / 2);
    draw.fillText("aligned residue", 0, 0);
    draw.restore();
  }

  drawScale(draw) {
    const { left, top, size } = this.frame;
    const x = left + size + 12;
    for (let row = 0; row < size; row++) {
      draw.fillStyle = `rgb(${green((row / size) * MOST_ERROR).join(" ")})`;
      draw.fillRect(x, top + row, 10, 1.5);
    }
    draw.fillStyle = colourOf("--text");
    draw.textAlign = "left";
    for (const error of [0, 10, 20, 30])
      draw.fillText(error === 30 ? "30 Å" : error, x + 14, top + Math.min(size, 8 + (error / 30) * size));
  }

  drawRange(draw) {
    const { left, top, size } = this.frame;
    const scale = size / this.tokens.count;
    const { x, y } = this.range;
    draw.lineWidth = 2;
    draw.strokeStyle = colourOf("--mark");
    draw.strokeRect(left + x[0] * scale, top + y[0] * scale, (x[1] - x[0]) * scale, (y[1] - y[0]) * scale);
    draw.lineWidth = 1;
  }

  tokenAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, size } = this.frame;
    const place = (offset) => Math.floor((offset / size) * this.tokens.count);
    return [place(event.clientX - box.left - left), place(event.clientY - box.top - top)];
  }

  inside(token) {
    return Math.min(Math.max(token, 0), this.tokens.count - 1);
  }

  press(event) {
    if (!this.image) return;
    this.from = this.tokenAt(event).map((token) => this.inside(token));
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.image) return;
    const [x, y] = this.tokenAt(event);
    const within = [x, y].every((token) => token === this.inside(token));
    if (within) this.reading.textContent = this.read(x, y);
    if (!this.from) return;
    const span = (a, b) => [Math.min(a, b), Math.max(a, b) + 1];
    this.range = { x: span(this.from[0], this.inside(x)), y: span(this.from[1], this.inside(y)) };
    this.draw();
  }

  read(x, y) {
    const pixel = (token) => Math.floor(token / this.tokens.tokensPerPixel);
    const error = this.pae.values[pixel(y) * this.pae.side + pixel(x)] * this.tokens.paeStep;
    return `${this.tokens.label(x)}, aligned on ${this.tokens.label(y)}: ${error.toFixed(1)} Å`;
  }

  release() {
    if (!this.from) return;
    this.from = null;
    this.onSelect(this.range);
  }

  select(range) {
    this.range = range;
    this.draw();
  }
}

class PlddtPlot {
  constructor(canvas, reading, tokens, onHover) {
    Object.assign(this, { canvas, reading, tokens, onHover, values: null, token: null });
    canvas.addEventListener("pointermove", (event) => this.hover(this.tokenAt(event)));
    canvas.addEventListener("pointerleave", () => this.hover(null));
  }

  show(values) {
    this.values = values;
    this.draw();
  }

  draw() {
    if (!this.values) return;
    const [width, height] = [this.canvas.clientWidth, 190];
    this.frame = { left: 32, top: 8, width: width - 40, height: height - 36 };
    const draw = prepare(this.canvas, width, height);
    this.drawBands(draw);
    this.drawValues(draw);
    this.drawChains(draw);
  }

  y(value) {
    return this.frame.top + this.frame.height * (1 - value / 100);
  }

  drawBands(draw) {
    const { left, width } = this.frame;
    let upper = 100;
    draw.textAlign = "right";
    for (const [lower, colour] of PLDDT_BANDS) {
      draw.globalAlpha = 0.14;
      draw.fillStyle = colourOf(colour);
      draw.fillRect(left, this.y(upper), width, this.y(lower) - this.y(upper));
      draw.globalAlpha = 1;
      draw.fillStyle = colourOf("--faint");
      draw.fillText(lower, left - 6, this.y(lower) + 4);
      upper = lower;
    }
  }

  // A column for each token, in the colour of its range, that reaches half-way to the next.
  drawValues(draw) {
    const { left, width } = this.frame;
    const scale = width / this.tokens.count;
    const step = Math.max(1, scale);
    const bands = PLDDT_BANDS.map(([lower, colour]) => [lower, colourOf(colour)]);
    this.values.forEach((value, token) => {
      draw.fillStyle = bands.find(([lower]) => value >= lower)[1];
      const next = this.values[Math.min(token + 1, this.values.length - 1)];
      const middle = (this.y(value) + this.y(next)) / 2;
      draw.fillRect(left + token * scale, Math.min(this.y(value), middle) - 1, step, Math.abs(middle - this.y(value)) + 2);
    });
  }

  drawChains(draw) {
    const { left, top, width, height } = this.frame;
    draw.strokeStyle = colourOf("--faint");
    draw.beginPath();
    for (const border of chainBorders(this.tokens, width)) {
      draw.moveTo(left + border, top);
      draw.lineTo(left + border, top + height + 4);
    }
    draw.stroke();
    draw.fillStyle = colourOf("--text");
    draw.textAlign = "center";
    for (const [name, place] of chainNames(this.tokens, width)) draw.fillText(name, left + place, top + height + 18);
  }

  tokenAt(event) {
    if (!this.values) return null;
    const place = event.clientX - this.canvas.getBoundingClientRect().left - this.frame.left;
    const token = Math.floor((place / this.frame.width) * this.tokens.count);
    return token >= 0 && token < this.tokens.count ? token : null;
  }

  hover(token) {
    if (token === this.token) return;
    this.token = token;
    this.reading.textContent = token === null ? "" : `${this.tokens.label(token)}: pLDDT ${this.values[token].toFixed(1)}`;
    this.onHover(token);
  }
}
