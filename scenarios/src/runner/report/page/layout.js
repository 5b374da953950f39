// Where everything goes: lanes of nodes from top to bottom, and in each the strips of its faults, its marks, its
// line and the spans of its requests.

const STRIP = 17;
const STRIPS_MAX = 14;
const SPAN_ROWS = 2;
const SPAN_ROWS_MAX = 5;

function laneBase(count) {
  if (count <= 5) return 104;
  if (count <= 10) return 84;
  if (count <= 16) return 56;
  return count <= 40 ? 34 : 20;
}

// Gives each interval the first row in which nothing overlaps it.
function inRows(intervals, most) {
  const ends = [];
  for (const interval of intervals) {
    let row = ends.findIndex((end) => end <= interval.from);
    if (row < 0) row = Math.min(ends.length, most - 1);
    ends[row] = Math.max(ends[row] ?? 0, interval.to);
    interval.row = row;
  }
  return ends.length;
}

const layout = (() => {
  const base = laneBase(run.nodes.length);
  const roomy = base >= 50, tall = base >= 80;
  const thick = base >= 100 ? 13 : base >= 80 ? 8 : 3;
  // Strips are kept apart by what their labels need when the whole run is in view.
  const apart = END / 9;
  const strips = (belongs) => {
    const list = run.bands
      .map((band, number) => ({ band, number, from: band.from_us, to: Math.max(band.to_us, band.from_us + apart) }))
      .filter(({ band }) => belongs(band))
      .sort((one, other) => one.from - other.from);
    return { list, count: inRows(list, STRIPS_MAX) };
  };
  const everywhere = (band) => band.places.length === 0;
  const world = strips(everywhere);
  const worldNotes = run.done.some((done) => done.place === null);
  const top = world.count > 0 || worldNotes || run.verdict ? world.count * STRIP + 26 : 0;
  const spans = run.requests.map((request, number) => ({
    number, place: request.place, from: request.at, to: request.end ?? END, request,
  }));
  let y = top;
  const lanes = run.nodes.map((name, place) => {
    const own = strips((band) => band.places.includes(place));
    const spanRows = Math.max(inRows(spans.filter((span) => span.place === place), roomy ? SPAN_ROWS_MAX : SPAN_ROWS), SPAN_ROWS);
    const height = base + own.count * STRIP + (spanRows - SPAN_ROWS) * (thick + 2);
    const lane = { name, place, top: y, height, strips: own.list };
    const free = y + own.count * STRIP;
    lane.line = free + (tall ? 42 : base * 0.5);
    lane.mark = roomy ? free + (tall ? 15 : 9) : lane.line;
    lane.span = y + height - spanRows * (thick + 2) - 2;
    y += height;
    return lane;
  });
  return { base, roomy, thick, lanes, top, height: Math.max(y, 60), world: world.list, spans, gutter: 0 };
})();

const laneAt = (place) => layout.lanes[place] ?? layout.lanes[0];
