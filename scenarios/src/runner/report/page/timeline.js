// The timeline: what is in view, drawn on a canvas.

const timeline = document.getElementById("timeline");
const tip = document.getElementById("tip");
const axis = document.getElementById("axis");
const FONT = getComputedStyle(document.documentElement).fontFamily;
// At most so many arrows are drawn; of more, every so-manieth, and all that are lost.
const ARROWS_MAX = 6000;
const HEADS_MAX = 700;
// The shortest span of time that fills the view, in microseconds.
const SPAN_MIN = 200;
const AXIS_HEIGHT = 38;

const view = { from: 0, to: END, width: 0, height: 0 };
const state = { chosen: null, hovered: null, drawn: [], sampled: 1 };
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "panel", "ink", "soft", "faint", "line", "accent", "lane", "lane-odd", "bad", "good", "commit", "down",
    ...GROUPS, "network", "process", "disk", "clock", "byzantine", "workload"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function fit(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.textBaseline = "middle";
  context.lineJoin = "round";
  return context;
}

const plotWidth = () => view.width - layout.gutter - 14;
const xOf = (at) => layout.gutter + (at - view.from) / (view.to - view.from) * plotWidth();
const atOf = (x) => view.from + (x - layout.gutter) / plotWidth() * (view.to - view.from);

function setView(from, to) {
  const span = Math.min(Math.max(to - from, SPAN_MIN), END * 1.04);
  // A little air on either side of the run.
  const start = Math.min(Math.max(from, -END * 0.01), END * 1.03 - span);
  view.from = span >= END * 1.04 ? -END * 0.01 : start;
  view.to = view.from + span;
  tip.hidden = true;
  redraw();
}
const zoomAt = (at, factor) => setView(at - (at - view.from) * factor, at + (view.to - at) * factor);
const pan = (part) => setView(view.from + (view.to - view.from) * part, view.to + (view.to - view.from) * part);
const wholeRun = () => setView(-END * 0.01, END * 1.03);
function centre(at) {
  const span = view.to - view.from;
  if (at < view.from + span * 0.08 || at > view.to - span * 0.08) setView(at - span / 2, at + span / 2);
}

let arranged = false;
function redraw() {
  if (arranged) return;
  arranged = true;
  requestAnimationFrame(() => {
    arranged = false;
    draw();
    drawAxis();
    drawMinimap();
    onViewChanged();
  });
}

function draw() {
  view.width = timeline.clientWidth;
  view.height = layout.height;
  layout.gutter = view.width < 620 ? 52 : 78;
  const context = fit(timeline, view.height);
  drawLanes(context);
  context.save();
  context.beginPath();
  context.rect(layout.gutter, 0, view.width - layout.gutter, view.height);
  context.clip();
  drawTicks(context);
  drawBands(context);
  drawDowns(context);
  drawArrows(context);
  drawSpans(context);
  drawMarks(context);
  drawStrips(context);
  drawVerdict(context);
  drawChosen(context);
  context.restore();
  drawNames(context);
}

function drawLanes(context) {
  for (const lane of layout.lanes) {
    context.fillStyle = lane.place % 2 === 1 ? colours["lane-odd"] : colours.panel;
    context.fillRect(0, lane.top, view.width, lane.height);
    context.fillStyle = colours.lane;
    context.fillRect(layout.gutter, lane.line - 0.5, view.width - layout.gutter, 1);
  }
}

function drawNames(context) {
  context.textAlign = "left";
  for (const lane of layout.lanes) {
    context.fillStyle = colours.ink;
    context.font = `600 ${layout.base < 30 ? 11 : 13}px ${FONT}`;
    context.fillText(layout.gutter < 60 ? lane.name.replace("node-", "n ") : lane.name, 10, lane.line);
  }
  if (layout.top > 0) {
    context.fillStyle = colours.soft;
    context.font = `12px ${FONT}`;
    context.fillText(layout.gutter < 60 ? "all" : "all nodes", 10, 13);
  }
}

const STEPS = [1, 2, 5];
function tickStep() {
  const wanted = (view.to - view.from) / Math.max(plotWidth() / 110, 1);
  let step = 1;
  for (let power = 1; ; power *= 10) {
    const found = STEPS.find((part) => part * power >= wanted);
    if (found) return found * power;
    step = power;
    if (power > 1e12) return step;
  }
}

function eachTick(call) {
  const step = tickStep();
  for (let at = Math.max(0, Math.ceil(view.from / step) * step); at <= Math.min(view.to, END * 1.03); at += step) call(at, step);
}

function drawTicks(context) {
  context.fillStyle = colours.faint;
  eachTick((at) => context.fillRect(Math.round(xOf(at)), 0, 1, view.height));
  if (run.chaos_ends_us !== null) {
    const x = xOf(run.chaos_ends_us);
    context.strokeStyle = colours.soft;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, view.height);
    context.stroke();
    context.setLineDash([]);
  }
}

function drawAxis() {
  const context = fit(axis, AXIS_HEIGHT);
  context.font = `12px ${FONT}`;
  context.textAlign = "center";
  context.fillStyle = colours.soft;
  eachTick((at, step) => {
    const x = xOf(at);
    if (x < layout.gutter - 2 || x > view.width - 20) return;
    const digits = step >= 1e6 ? 0 : Math.min(6, Math.ceil(6 - Math.log10(step)));
    context.fillText(`${(at / 1e6).toFixed(digits)} s`, x, AXIS_HEIGHT - 12);
    context.fillRect(Math.round(x), AXIS_HEIGHT - 4, 1, 4);
  });
  const chaosEnds = run.chaos_ends_us === null ? -1 : xOf(run.chaos_ends_us);
  if (chaosEnds > layout.gutter + 30 && chaosEnds < view.width - 30) context.fillText("chaos ends", chaosEnds, 8);
}

// The colour of each band's part of its lanes; where nodes are divided, each side has its own shade.
function drawBands(context) {
  run.bands.forEach((band) => {
    const from = xOf(band.from_us), width = Math.max(xOf(band.to_us) - from, 2);
    if (from > view.width || from + width < layout.gutter) return;
    context.fillStyle = colours[band.group];
    for (const lane of layout.lanes) {
      if (band.places.length > 0 && !band.places.includes(lane.place)) continue;
      const side = Math.min(band.sides[lane.place] ?? 0, 3);
      const everywhere = band.sides.length > 0 ? 0.05 + side * 0.09 : 0.025;
      context.globalAlpha = band.places.length === 0 ? everywhere : 0.07;
      context.fillRect(from, lane.top, width, lane.height);
    }
  });
  context.globalAlpha = 1;
}

function drawDowns(context) {
  for (const down of run.downs) {
    const from = xOf(down.at), to = xOf(down.end ?? END), lane = laneAt(down.place);
    if (to < layout.gutter || from > view.width) continue;
    const width = Math.max(to - from, 2), thick = layout.roomy ? 11 : 7;
    context.fillStyle = colours.panel;
    context.fillRect(from, lane.line - thick / 2, width, thick);
    context.save();
    context.beginPath();
    context.rect(from, lane.line - thick / 2, width, thick);
    context.clip();
    context.strokeStyle = colours.down;
    context.lineWidth = 1.5;
    context.beginPath();
    const first = Math.max(from, layout.gutter) - 20, last = Math.min(to, view.width) + 20;
    for (let x = first - (first % 6); x < last; x += 6) {
      context.moveTo(x, lane.line + thick / 2);
      context.lineTo(x + thick, lane.line - thick / 2);
    }
    context.stroke();
    context.restore();
    context.strokeStyle = colours.down;
    context.lineWidth = 1;
    context.strokeRect(from, lane.line - thick / 2, width, thick);
  }
}

// Where an arrow begins and ends; what is lost does not get all the way.
function ends(number) {
  const source = laneAt(messages.source[number]).line, target = laneAt(messages.target[number]).line;
  const x = xOf(messages.sent[number]), arrives = xOf(messages.ends[number]);
  if (messages.fate[number] !== 1) return [x, source, arrives, target];
  return [x, source, x + (arrives - x) * 0.7, source + (target - source) * 0.7];
}

function drawArrows(context) {
  const shown = [];
  eachMessage(view.from, view.to, (number) => shown.push(number));
  state.sampled = Math.max(1, Math.ceil(shown.length / ARROWS_MAX));
  const drawn = state.sampled === 1 ? shown
    : shown.filter((number, place) => place % state.sampled === 0 || messages.fate[number] === 1).slice(0, ARROWS_MAX * 2);
  state.drawn = drawn;
  state.inView = shown.length;
  const crowd = shown.length / Math.max(plotWidth(), 1);
  const alpha = Math.min(0.85, Math.max(0.09, 0.75 / Math.sqrt(1 + crowd * 6)));
  const width = crowd > 1 ? 0.8 : 1.25;
  for (const group of usedGroups) {
    const own = drawn.filter((number) => run.kinds[messages.kind[number]].group === group);
    strokeArrows(context, own.filter((number) => messages.fate[number] === 0), { colour: colours[group], alpha, width });
    context.setLineDash([4, 3]);
    const open = own.filter((number) => messages.fate[number] !== 0);
    strokeArrows(context, open, { colour: colours[group], alpha: Math.max(alpha, 0.35), width });
    context.setLineDash([]);
  }
  if (drawn.length <= HEADS_MAX) drawHeads(context, drawn, Math.max(alpha, 0.5));
  drawCrosses(context, drawn.filter((number) => messages.fate[number] === 1), crowd);
}

function strokeArrows(context, numbers, { colour, alpha, width }) {
  context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = width;
  context.beginPath();
  for (const number of numbers) {
    const [x, y, endX, endY] = ends(number);
    context.moveTo(x, y);
    context.lineTo(endX, endY);
  }
  context.stroke();
  context.globalAlpha = 1;
}

function drawHeads(context, numbers, alpha) {
  context.globalAlpha = alpha;
  for (const number of numbers) {
    if (messages.fate[number] !== 0) continue;
    const [x, y, endX, endY] = ends(number);
    const length = Math.hypot(endX - x, endY - y);
    if (length < 12) continue;
    const [alongX, alongY] = [(endX - x) / length, (endY - y) / length];
    context.fillStyle = colours[run.kinds[messages.kind[number]].group];
    context.beginPath();
    context.moveTo(endX, endY);
    context.lineTo(endX - alongX * 8 - alongY * 3.2, endY - alongY * 8 + alongX * 3.2);
    context.lineTo(endX - alongX * 8 + alongY * 3.2, endY - alongY * 8 - alongX * 3.2);
    context.fill();
  }
  context.globalAlpha = 1;
}

function drawCrosses(context, numbers, crowd) {
  const size = crowd > 2 ? 2.2 : 3.6;
  context.strokeStyle = colours.bad;
  context.globalAlpha = Math.max(0.35, Math.min(1, 1.6 / Math.sqrt(1 + crowd)));
  context.lineWidth = 1.5;
  context.beginPath();
  for (const number of numbers) {
    const [, , x, y] = ends(number);
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y + size);
    context.moveTo(x - size, y + size);
    context.lineTo(x + size, y - size);
  }
  context.stroke();
  context.globalAlpha = 1;
}
