// Marks on the lanes: commits, rounds, certificates, evidence, abstentions, requests from question to answer, the
// strips of faults, the verdict; and finding what is under the pointer.

// What can be pointed at in the picture as drawn last: {row, x, y, r} or {row, from, to, top, bottom}.
let targets = [];
const rowOf = new Map(rows.map((row) => [`${row.type} ${row.number}`, row]));
const point = (type, number, x, y, r) => targets.push({ row: rowOf.get(`${type} ${number}`), x, y, r });
const area = (type, number, from, to, top, bottom) =>
  targets.push({ row: rowOf.get(`${type} ${number}`), from, to, top, bottom });

const eventsByPlace = run.nodes.map(() => []);
run.events.forEach((event, number) => eventsByPlace[event.place]?.push({ at: event.at, number, event, sort: category(event.kind) }));

function drawSpans(context) {
  targets = [];
  const thick = layout.thick;
  context.font = `11px ${FONT}`;
  context.textAlign = "left";
  for (const { number, place, from, to, row, request } of layout.spans) {
    const x = xOf(from), end = xOf(to);
    if (end < layout.gutter || x > view.width) continue;
    const y = laneAt(place).span + row * (thick + 2), width = Math.max(end - x, 3);
    const refused = request.refusal !== null, colour = refused ? colours.signing : colours.workload;
    context.beginPath();
    context.roundRect(x, y, width, thick, Math.min(thick / 2, 4));
    // What goes on behind it stays visible.
    context.globalAlpha = 0.55;
    context.fillStyle = colours.panel;
    context.fill();
    context.globalAlpha = request.end === null ? 0.15 : 0.3;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.setLineDash(request.end === null ? [3, 3] : []);
    context.stroke();
    context.setLineDash([]);
    area("request", number, x - 2, x + width + 2, y - 1, y + thick + 1);
    const left = Math.max(x, layout.gutter) + 5, label = request.method.replaceAll("_", " ");
    if (thick > 10 && context.measureText(label).width + 10 < Math.min(end, view.width) - left) {
      haloText(context, label, left, y + thick / 2 + 0.5, colours.ink);
    }
  }
}

// Text that stays readable above arrows.
function haloText(context, text, x, y, colour) {
  context.lineWidth = 3;
  context.strokeStyle = colours.panel;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

function drawMarks(context) {
  for (const lane of layout.lanes) {
    let labelled = -Infinity, drawnTo = -Infinity;
    const list = eventsByPlace[lane.place];
    const crowded = firstAt(list, view.to) - firstAt(list, view.from) > plotWidth() / 12;
    for (let place = firstAt(list, view.from); place < list.length && list[place].at <= view.to; place += 1) {
      const { number, event, sort } = list[place];
      const x = xOf(event.at);
      if (sort === "commit") {
        context.font = `11px ${FONT}`;
        context.textAlign = "center";
        if (x - drawnTo >= 2.5) {
          drawnTo = x;
          mark(context, crowded ? "small-commit" : "commit", x, lane.line);
          point("event", number, x, lane.line, 6);
        }
        const width = context.measureText(event.height).width;
        if (layout.base >= 34 && x - labelled > width + 7) {
          labelled = x;
          haloText(context, event.height, x, lane.line + (layout.roomy ? 15 : 11), colours.ink);
        }
      } else if (sort !== "note" || (event.kind !== "durable" && layout.roomy)) {
        mark(context, sort, x, lane.mark);
        point("event", number, x, lane.mark, 7);
      }
    }
  }
  drawRounds(context);
  run.done.forEach((done, number) => {
    const x = xOf(done.at);
    // That every node starts in the beginning is no news.
    if (x < layout.gutter || x > view.width || (done.at === 0 && done.words === "starts")) return;
    const y = done.place === null ? 13 : laneAt(done.place).mark;
    mark(context, "done", x, y);
    point("done", number, x, y, 6);
  });
}

function drawRounds(context) {
  if (layout.base < 34) return;
  context.font = `600 10.5px ${FONT}`;
  context.textAlign = "center";
  const labelled = run.nodes.map(() => -Infinity);
  for (let number = firstAt(rounds, view.from); number < rounds.length && rounds[number].at <= view.to; number += 1) {
    const { at, place, round } = rounds[number];
    const x = xOf(at), text = `r${round}`, y = laneAt(place).line - 13;
    if (x - labelled[place] < context.measureText(text).width + 8) continue;
    labelled[place] = x;
    haloText(context, text, x, y, colours.ordering);
  }
}

// One mark; the legend draws the same.
function mark(context, sort, x, y) {
  context.beginPath();
  switch (sort) {
    case "commit":
    case "small-commit":
      context.fillStyle = colours.commit;
      context.arc(x, y, sort === "commit" ? 3.1 : 2, 0, 7);
      context.fill();
      return;
    case "evidence":
      context.fillStyle = colours.byzantine;
      context.moveTo(x, y - 6);
      context.lineTo(x + 6, y + 5);
      context.lineTo(x - 6, y + 5);
      context.fill();
      return;
    case "alarm":
      context.fillStyle = colours.bad;
      context.fillRect(x - 4.5, y - 4.5, 9, 9);
      return;
    case "abstain":
      context.fillStyle = colours.clock;
      context.roundRect(x - 5, y - 5.5, 3.6, 11, 1);
      context.roundRect(x + 1.4, y - 5.5, 3.6, 11, 1);
      context.fill();
      return;
    case "issued":
      context.fillStyle = colours.panel;
      context.strokeStyle = colours.workload;
      context.lineWidth = 2;
      context.arc(x, y, 4.4, 0, 7);
      context.fill();
      context.stroke();
      return;
    case "done":
      context.fillStyle = colours.ink;
      context.moveTo(x, y + 6);
      context.lineTo(x, y - 6);
      context.lineTo(x + 7, y - 3);
      context.lineTo(x, y);
      context.fill();
      return;
    default:
      context.fillStyle = colours.panel;
      context.strokeStyle = colours.soft;
      context.lineWidth = 1.2;
      context.arc(x, y, 2.6, 0, 7);
      context.fill();
      context.stroke();
  }
}

// Where the last label of each row of strips ends: one that would lie over it is left out.
const labelledTo = new Map();

function drawStrips(context) {
  labelledTo.clear();
  for (const strip of layout.world) drawStrip(context, strip, 26);
  for (const lane of layout.lanes) for (const strip of lane.strips) drawStrip(context, strip, lane.top + 2);
}

function drawStrip(context, { band, number, row }, top) {
  const from = xOf(band.from_us), to = xOf(band.to_us), y = top + row * STRIP;
  if (to < layout.gutter || from > view.width) return;
  const width = Math.max(to - from, 3);
  context.font = `600 11px ${FONT}`;
  context.textAlign = "left";
  context.fillStyle = colours[band.group];
  context.fillRect(from, y, width, 3);
  const label = context.measureText(band.class).width;
  const x = Math.min(Math.max(from, layout.gutter + 2), Math.max(to - label, from));
  const isFree = x >= (labelledTo.get(y) ?? -Infinity);
  if (isFree) {
    haloText(context, band.class, x + 1, y + 10, colours[band.group]);
    labelledTo.set(y, x + label + 6);
  }
  area("fault", number, from - 2, Math.max(from + width, isFree ? x + label : 0) + 2, y - 1, y + STRIP - 2);
}

function drawVerdict(context) {
  if (!run.verdict) return;
  const { at, place, check } = run.verdict;
  const x = xOf(at);
  if (x < layout.gutter - 200 || x > view.width + 200) return;
  context.strokeStyle = colours.bad;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, view.height);
  context.stroke();
  if (place !== null) {
    const y = laneAt(place).line;
    context.beginPath();
    context.arc(x, y, 9, 0, 7);
    context.stroke();
    point("verdict", 0, x, y, 11);
  }
  context.font = `700 12px ${FONT}`;
  const text = check, width = context.measureText(text).width + 14;
  const left = x + width > view.width - 4 ? x - width : x;
  context.fillStyle = colours.bad;
  context.beginPath();
  context.roundRect(left, 3, width, 20, 3);
  context.fill();
  context.fillStyle = colours.panel;
  context.textAlign = "left";
  context.fillText(text, left + 7, 13.5);
  area("verdict", 0, left, left + width, 0, 24);
}

function drawChosen(context) {
  for (const [row, width] of [[state.hovered, 2], [state.chosen, 2.6]]) {
    if (!row) continue;
    context.strokeStyle = colours.ink;
    context.lineWidth = width;
    context.beginPath();
    if (row.type === "message") {
      const [x, y, endX, endY] = ends(row.number);
      context.moveTo(x, y);
      context.lineTo(endX, endY);
      context.moveTo(x + 4, y);
      context.arc(x, y, 4, 0, 7);
    } else {
      const target = targets.find((target) => target.row === row);
      if (target?.r) context.arc(target.x, target.y, target.r + 3, 0, 7);
      else if (target) context.roundRect(target.from - 2, target.top - 1, target.to - target.from + 4, target.bottom - target.top + 2, 4);
      else {
        const x = xOf(row.at);
        context.moveTo(x, 0);
        context.lineTo(x, view.height);
      }
    }
    context.stroke();
  }
}

function distance(x, y, [fromX, fromY, toX, toY]) {
  const [dx, dy] = [toX - fromX, toY - fromY], length = dx * dx + dy * dy || 1;
  const part = Math.min(1, Math.max(0, ((x - fromX) * dx + (y - fromY) * dy) / length));
  return Math.hypot(x - fromX - part * dx, y - fromY - part * dy);
}

// The row under a point: marks first, then areas, then the nearest arrow.
function rowAt(x, y) {
  let best = null, nearest = 7;
  for (const target of targets) {
    if (target.r === undefined) continue;
    const away = Math.hypot(target.x - x, target.y - y) - target.r + 4;
    if (away < nearest) [best, nearest] = [target.row, away];
  }
  if (best) return best;
  const inside = (target) => target.r === undefined && x >= target.from && x <= target.to && y >= target.top && y <= target.bottom;
  best = targets.find(inside)?.row ?? null;
  if (best) return best;
  nearest = 6;
  let number = -1;
  for (const candidate of state.drawn) {
    const away = distance(x, y, ends(candidate));
    if (away < nearest) [number, nearest] = [candidate, away];
  }
  if (number >= 0) return rowOf.get(`message ${number}`);
  return run.downs.map((down, place) => ({ down, place }))
    .filter(({ down }) => Math.abs(laneAt(down.place).line - y) < 8 && x >= xOf(down.at) && x <= xOf(down.end ?? END))
    .map(({ place }) => rowOf.get(`down ${place}`))[0] ?? null;
}
