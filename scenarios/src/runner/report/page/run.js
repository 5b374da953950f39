// The run: the data of the page, rows of everything that happened, and which of them pass the filter.

const run = JSON.parse(document.getElementById("run").textContent);
const messages = run.messages;
const MESSAGES = messages.sent.length;
const END = Math.max(run.end_us, 1);
// So many messages share a bound on when they end, so that those before a view are skipped together.
const CHUNK = 512;

const GROUPS = ["ordering", "operations", "signing", "catching-up", "keys", "other"];
const usedGroups = GROUPS.filter((group) => run.kinds.some((kind) => kind.group === group));

const chunkEnds = [];
for (let number = 0; number < MESSAGES; number += 1) {
  const chunk = Math.floor(number / CHUNK);
  chunkEnds[chunk] = Math.max(chunkEnds[chunk] ?? 0, messages.ends[number]);
}

const kindCounts = run.kinds.map(() => 0);
for (const kind of messages.kind) kindCounts[kind] += 1;

// The moments at which each node first spoke in a round other than the first of a height.
const rounds = [];
{
  const seen = run.nodes.map(() => [0, 0]);
  for (let number = 0; number < MESSAGES; number += 1) {
    const place = messages.source[number], height = messages.height[number], round = messages.round[number];
    if (round < 1 || messages.source[number] >= seen.length) continue;
    const [knownHeight, knownRound] = seen[place];
    if (height > knownHeight || (height === knownHeight && round > knownRound)) {
      seen[place] = [height, round];
      rounds.push({ at: messages.sent[number], place, height, round });
    }
  }
}

const EVIL = ["equivocation", "culprit", "invalid-block", "peer-fault"];
const ALARM = ["broken", "store-fault", "doubled", "refused-as-twin", "twin-runs", "generation-aborted"];

function category(kind) {
  if (kind === "committed") return "commit";
  if (EVIL.includes(kind)) return "evidence";
  if (ALARM.includes(kind)) return "alarm";
  if (kind === "abstains" || kind === "votes-again") return "abstain";
  if (kind === "issued" || kind === "revocation-list-signed") return "issued";
  return "note";
}

const nodeName = (place) => run.nodes[place] ?? `node-${place + 1}`;
const inSeconds = (at, digits = 6) => (at / 1e6).toFixed(digits);
function duration(us) {
  if (us < 1000) return `${us} µs`;
  return us < 1e6 ? `${(us / 1000).toFixed(us < 1e5 ? 2 : 0)} ms` : `${(us / 1e6).toFixed(3)} s`;
}

const FATES = ["arrived", "lost", "under way"];

function messageWords(number) {
  const height = messages.height[number], round = messages.round[number];
  const about = (height < 0 ? "" : `height ${height}, `) + (round < 0 ? "" : `round ${round}, `);
  const took = duration(messages.ends[number] - messages.sent[number]);
  const fate = ["arrives after " + took, "is lost", "is under way at the end"][messages.fate[number]];
  return `${about}${messages.bytes[number]} bytes, ${fate}`;
}

const requestWords = (request) => `${request.id}: ${request.method.replaceAll("_", " ")}`;
function answerWords(request) {
  const took = duration(request.end - request.at);
  return request.refusal === null ? `${request.id} after ${took}` : `${request.id} refused after ${took}: ${request.refusal}`;
}

// Every row: when, what type of thing, and its number among those of the type.
const rows = [];
for (let number = 0; number < MESSAGES; number += 1) rows.push({ at: messages.sent[number], type: "message", number });
run.events.forEach((event, number) => rows.push({ at: event.at, type: "event", number }));
run.requests.forEach((request, number) => {
  rows.push({ at: request.at, type: "request", number });
  if (request.end !== null) rows.push({ at: request.end, type: "answer", number });
});
run.downs.forEach((down, number) => rows.push({ at: down.at, type: "down", number }));
run.done.forEach((done, number) => rows.push({ at: done.at, type: "done", number }));
run.bands.forEach((band, number) => rows.push({ at: band.from_us, type: "fault", number }));
if (run.verdict) rows.push({ at: run.verdict.at, type: "verdict", number: 0 });
rows.sort((one, other) => one.at - other.at);

// A row in words: who, what kind, what.
function describe(row) {
  const { type, number } = row;
  switch (type) {
    case "message": {
      const who = `${nodeName(messages.source[number])} → ${nodeName(messages.target[number])}`;
      const kind = run.kinds[messages.kind[number]];
      return { who, kind: kind.name, what: messageWords(number), colour: kind.group, lost: messages.fate[number] === 1 };
    }
    case "event": {
      const event = run.events[number], sort = category(event.kind);
      return { who: nodeName(event.place), kind: event.kind, what: event.words, bad: sort === "evidence" || sort === "alarm" };
    }
    case "request": {
      const request = run.requests[number];
      return { who: nodeName(request.place), kind: "request", what: requestWords(request) };
    }
    case "answer": {
      const request = run.requests[number];
      return { who: nodeName(request.place), kind: "answer", what: answerWords(request), lost: request.refusal !== null };
    }
    case "down": {
      const down = run.downs[number];
      const what = down.end === null ? "until the end" : `until ${inSeconds(down.end)} s, for ${duration(down.end - down.at)}`;
      return { who: nodeName(down.place), kind: "down", what };
    }
    case "done": {
      const done = run.done[number];
      return { who: done.place === null ? "world" : nodeName(done.place), kind: "done", what: done.words };
    }
    case "fault": {
      const band = run.bands[number];
      const who = band.places.length === 0 ? "network" : band.places.map(nodeName).join(", ");
      return { who, kind: band.class, what: `${band.words}, for ${duration(band.to_us - band.from_us)}`, colour: band.group };
    }
    default: {
      const { place, kind, check, what } = run.verdict;
      return { who: place === null ? "world" : nodeName(place), kind: "verdict", what: `${kind}: ${check}: ${what}`, bad: true };
    }
  }
}

const filter = { text: "", kinds: run.kinds.map(() => true), source: "", target: "", fate: "" };
// Whether each message passes the filter, and the rows that do.
let passes = new Uint8Array(MESSAGES).fill(1);
let shownRows = rows;
let shownMessages = MESSAGES;

function refilter() {
  const words = filter.text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const matches = (row) => {
    if (words.length === 0) return true;
    const { who, kind, what } = describe(row);
    const text = `${who} ${kind} ${what}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  shownMessages = 0;
  shownRows = rows.filter((row) => {
    if (row.type !== "message") return matches(row);
    const number = row.number;
    const fits = filter.kinds[messages.kind[number]]
      && (filter.source === "" || messages.source[number] === Number(filter.source))
      && (filter.target === "" || messages.target[number] === Number(filter.target))
      && (filter.fate === "" || messages.fate[number] === Number(filter.fate))
      && matches(row);
    passes[number] = fits ? 1 : 0;
    shownMessages += passes[number];
    return fits;
  });
}

// Calls back with each message that passes the filter and is under way between two moments.
function eachMessage(from, to, call) {
  for (let chunk = 0; chunk < chunkEnds.length; chunk += 1) {
    const first = chunk * CHUNK;
    if (messages.sent[first] > to) return;
    if (chunkEnds[chunk] < from) continue;
    const last = Math.min(first + CHUNK, MESSAGES);
    for (let number = first; number < last && messages.sent[number] <= to; number += 1) {
      if (passes[number] === 1 && messages.ends[number] >= from) call(number);
    }
  }
}

// The first place in a list sorted by time at or after a moment.
function firstAt(list, at) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].at < at) low = middle + 1; else high = middle;
  }
  return low;
}
