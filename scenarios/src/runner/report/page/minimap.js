// The minimap: the whole run small, with the part in view marked; dragging it moves the view.

const minimap = document.getElementById("minimap");
const MINIMAP_HEIGHT = 50;
const BUCKETS = 360;
const miniX = (at) => Math.max(at, 0) / END * (minimap.clientWidth - 8) + 4;
const miniAt = (x) => (x - 4) / (minimap.clientWidth - 8) * END;

// How many messages were sent in each part of the run, and how many of them were lost; those that pass the filter.
let density = { sent: [], lost: [], most: 1 };
function countDensity() {
  const sent = new Array(BUCKETS).fill(0), lost = new Array(BUCKETS).fill(0);
  for (let number = 0; number < MESSAGES; number += 1) {
    if (passes[number] === 0) continue;
    const bucket = Math.min(BUCKETS - 1, Math.floor(messages.sent[number] / END * BUCKETS));
    sent[bucket] += 1;
    if (messages.fate[number] === 1) lost[bucket] += 1;
  }
  density = { sent, lost, most: Math.max(1, ...sent) };
}

function drawMinimap() {
  const context = fit(minimap, MINIMAP_HEIGHT);
  const width = minimap.clientWidth, base = MINIMAP_HEIGHT - 3;
  const bars = (counts, colour) => {
    context.fillStyle = colour;
    counts.forEach((count, bucket) => {
      if (count === 0) return;
      const height = Math.max(1, Math.sqrt(count / density.most) * 28);
      const x = miniX(bucket / BUCKETS * END);
      context.fillRect(x, base - height, Math.max(width / BUCKETS - 0.6, 1), height);
    });
  };
  bars(density.sent, colours.lane);
  bars(density.lost, colours.bad);
  context.globalAlpha = 0.85;
  run.bands.forEach((band, number) => {
    context.fillStyle = colours[band.group];
    const x = miniX(band.from_us);
    context.fillRect(x, 4 + (number % 4) * 3.5, Math.max(miniX(band.to_us) - x, 2), 2.5);
  });
  context.globalAlpha = 1;
  if (run.verdict) {
    context.fillStyle = colours.bad;
    context.fillRect(miniX(run.verdict.at) - 1, 0, 2.5, MINIMAP_HEIGHT);
  }
  const from = miniX(view.from), to = Math.max(miniX(Math.min(view.to, END)), from + 5);
  context.fillStyle = colours.accent;
  context.globalAlpha = 0.09;
  context.fillRect(from, 0, to - from, MINIMAP_HEIGHT);
  context.globalAlpha = 1;
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.5;
  context.beginPath();
  context.roundRect(from, 1, to - from, MINIMAP_HEIGHT - 2, 4);
  context.stroke();
}

minimap.addEventListener("pointerdown", (event) => {
  minimap.setPointerCapture(event.pointerId);
  const begin = miniAt(event.offsetX);
  const inside = begin >= view.from && begin <= view.to;
  const offset = inside ? begin - view.from : (view.to - view.from) / 2;
  const move = (moved) => {
    const from = miniAt(moved.offsetX) - offset;
    setView(from, from + (view.to - view.from));
  };
  if (!inside) move(event);
  minimap.onpointermove = move;
  minimap.onpointerup = minimap.onpointercancel = () => { minimap.onpointermove = null };
});
