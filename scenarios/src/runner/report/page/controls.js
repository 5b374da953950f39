// What a person does: filters, pointer, keys; and what changes because of it.

const byId = (id) => document.getElementById(id);

function choose(row, { scroll, centre: move }) {
  state.chosen = row;
  const details = byId("details");
  details.replaceChildren();
  if (row) {
    const { who, kind, what } = describe(row);
    details.append(element("b", {}, kind), element("span", {}, `${inSeconds(row.at)} s · ${who}`), element("br"), what);
    if (move) centre(row.at);
    if (scroll) showRow(row);
  } else {
    details.append(element("span", {}, summary()));
  }
  drawRows();
  redraw();
}

function summary() {
  if (state.sampled > 1) return `${state.inView.toLocaleString("en")} messages in view, of which one in ${state.sampled} is drawn, and all that are lost: zoom in for every one.`;
  return `${(state.inView ?? 0).toLocaleString("en")} messages in view. Point at anything for what it is; click to keep it here.`;
}

let viewTimer = 0;
function onViewChanged() {
  if (!state.chosen) byId("details").replaceChildren(element("span", {}, summary()));
  if (!byId("in-view").checked) return;
  clearTimeout(viewTimer);
  viewTimer = setTimeout(setTableRows, 120);
}

function onFilterChanged() {
  refilter();
  countDensity();
  setTableRows();
  redraw();
  for (const button of byId("groups").children) {
    const own = run.kinds.flatMap((kind, number) => kind.group === button.dataset.group ? [number] : []);
    button.setAttribute("aria-pressed", String(own.some((number) => filter.kinds[number])));
  }
  byId("kinds").querySelectorAll("input").forEach((box, number) => { box.checked = filter.kinds[number] });
  const off = filter.kinds.filter((on) => !on).length;
  byId("kinds").querySelector("summary").textContent = off === 0 ? "Kinds" : `Kinds: ${filter.kinds.length - off} of ${filter.kinds.length}`;
}

function buildFilters() {
  for (const group of usedGroups) {
    const swatch = element("i");
    swatch.style.setProperty("--c", `var(--${group})`);
    const button = element("button", { type: "button" }, swatch, group.replace("-", " "));
    button.dataset.group = group;
    button.onclick = () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      run.kinds.forEach((kind, number) => { if (kind.group === group) filter.kinds[number] = on });
      onFilterChanged();
    };
    byId("groups").append(button);
  }
  const sheet = byId("kinds").querySelector(".sheet");
  const every = (on) => element("button", { type: "button", onclick: () => { filter.kinds.fill(on); onFilterChanged() } }, on ? "All" : "None");
  sheet.append(element("div", {}, every(true), every(false)));
  run.kinds.forEach((kind, number) => {
    const swatch = element("i");
    swatch.style.setProperty("--c", `var(--${kind.group})`);
    const box = element("input", { type: "checkbox", checked: true, onchange: () => { filter.kinds[number] = box.checked; onFilterChanged() } });
    sheet.append(element("label", {}, box, swatch, kind.name, element("span", {}, kindCounts[number].toLocaleString("en"))));
  });
  for (const name of ["source", "target"]) {
    byId(name).append(element("option", { value: "" }, "any"), ...run.nodes.map((node, place) => element("option", { value: String(place) }, node)));
  }
  for (const name of ["source", "target", "fate"]) byId(name).onchange = () => { filter[name] = byId(name).value; onFilterChanged() };
  let timer = 0;
  byId("search").oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { filter.text = byId("search").value; onFilterChanged() }, 150);
  };
  byId("in-view").onchange = setTableRows;
}

function buildLegends() {
  const sorts = new Set(run.events.map((event) => category(event.kind)));
  const names = { commit: "commit, with its height", issued: "certificate or list signed", evidence: "evidence", abstain: "abstains, votes again", alarm: "alarm", note: "other event" };
  const entry = (sort, name) => {
    const canvas = element("canvas");
    canvas.dataset.sort = sort;
    byId("marks-legend").append(element("span", {}, canvas, name));
  };
  for (const [sort, name] of Object.entries(names)) if (sorts.has(sort)) entry(sort, name);
  if (run.done.length > 0) entry("done", "done to it");
  const swatch = (className, text, colour) => {
    const box = element("i", { className });
    box.style.setProperty("--c", `var(--${colour})`);
    return element("span", {}, box, text);
  };
  const classes = new Map(run.bands.map((band) => [band.class, band.group]));
  const faults = byId("faults-legend");
  for (const [name, group] of classes) faults.append(swatch("swatch", `${name} (${group})`, group));
  if (run.requests.length > 0) faults.append(swatch("swatch", "request, from question to answer", "workload"));
  if (run.downs.length > 0) faults.append(swatch("swatch", "node is down", "down"));
}

function drawLegends() {
  for (const canvas of byId("marks-legend").querySelectorAll("canvas")) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.height = 18 * ratio;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    mark(context, canvas.dataset.sort, 9, 9);
  }
}

function goToVerdict() {
  if (!run.verdict) return;
  const span = Math.min(view.to - view.from, END / 20);
  setView(run.verdict.at - span * 0.8, run.verdict.at + span * 0.2);
  choose(rows.find((row) => row.type === "verdict"), { scroll: true, centre: false });
}

// --- pointer ---

const pointers = new Map();
let moved = false;

function hover(x, y) {
  const row = rowAt(x, y);
  if (row !== state.hovered) {
    state.hovered = row;
    redraw();
  }
  tip.hidden = !row;
  timeline.style.cursor = row ? "pointer" : "";
  if (!row) return;
  const { who, kind, what } = describe(row);
  const brief = what.length > 280 ? `${what.slice(0, 280)}…` : what;
  tip.replaceChildren(element("b", {}, `${kind} · ${who}`), brief, element("br"), `${inSeconds(row.at)} s`);
  const left = Math.min(Math.max(x + 14, 4), view.width - tip.offsetWidth - 6);
  const above = y + 18 + tip.offsetHeight > view.height;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.max(above ? y - tip.offsetHeight - 12 : y + 18, 2)}px`;
}

timeline.addEventListener("pointerdown", (event) => {
  timeline.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  moved = pointers.size > 1;
  tip.hidden = true;
});
timeline.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return hover(event.offsetX, event.offsetY);
  const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  const x = event.offsetX;
  if (others.length > 0) {
    const [other] = others;
    const wide = Math.abs(before.x - other.x), wider = Math.abs(x - other.x);
    if (wide > 8 && wider > 8) zoomAt(atOf((x + other.x) / 2), wide / wider);
  } else if (moved || Math.abs(x - before.x) > 3) {
    moved = true;
    timeline.classList.add("dragged");
    pan((before.x - x) / plotWidth());
  } else return;
  pointers.set(event.pointerId, { x, y: event.offsetY });
});
function release(event) {
  pointers.delete(event.pointerId);
  timeline.classList.remove("dragged");
  if (event.type !== "pointerup" || moved) return;
  const row = rowAt(event.offsetX, event.offsetY);
  choose(row, { scroll: true, centre: false });
  if (event.pointerType !== "mouse") hover(event.offsetX, event.offsetY);
}
timeline.addEventListener("pointerup", release);
timeline.addEventListener("pointercancel", release);
timeline.addEventListener("pointerleave", () => {
  tip.hidden = true;
  state.hovered = null;
  redraw();
});
timeline.addEventListener("dblclick", (event) => zoomAt(atOf(event.offsetX), 0.4));
timeline.addEventListener("wheel", (event) => {
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    return pan((event.deltaX || event.deltaY) / 1000);
  }
  // When there is nothing left to zoom out of, the page scrolls.
  const whole = view.to - view.from >= END * 1.039;
  if (event.deltaY > 0 && whole && !event.ctrlKey) return;
  event.preventDefault();
  zoomAt(atOf(event.offsetX), Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * (event.ctrlKey ? 0.012 : 0.004)));
}, { passive: false });

// --- keys ---

const middle = () => (view.from + view.to) / 2;
const KEYS = {
  ArrowLeft: (event) => pan(event.shiftKey ? -0.5 : -0.1),
  ArrowRight: (event) => pan(event.shiftKey ? 0.5 : 0.1),
  "+": () => zoomAt(state.chosen?.at ?? middle(), 0.6),
  "=": () => zoomAt(state.chosen?.at ?? middle(), 0.6),
  "-": () => zoomAt(state.chosen?.at ?? middle(), 1 / 0.6),
  0: wholeRun,
  Home: () => setView(0, view.to - view.from),
  End: () => setView(END - (view.to - view.from) * 0.97, END + (view.to - view.from) * 0.03),
  n: () => stepRow(1),
  p: () => stepRow(-1),
  v: goToVerdict,
  "/": () => byId("search").focus(),
  Escape: () => choose(null, { scroll: false, centre: false }),
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, summary");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const action = KEYS[event.key];
  if (!action) return;
  if (event.target === scroller && event.key.length > 1 && event.key !== "Escape") return;
  event.preventDefault();
  action(event);
});
byId("zoom-in").onclick = () => zoomAt(middle(), 0.6);
byId("zoom-out").onclick = () => zoomAt(middle(), 1 / 0.6);
byId("zoom-fit").onclick = wholeRun;
byId("to-verdict").onclick = goToVerdict;
byId("to-verdict").hidden = !run.verdict;
document.addEventListener("click", (event) => {
  const copy = event.target.closest(".copy");
  if (copy) {
    navigator.clipboard?.writeText(copy.dataset.copy).then(() => { copy.textContent = "Copied" }, () => { copy.textContent = "Select it" });
  }
  if (!event.target.closest("#kinds")) byId("kinds").open = false;
});

// --- the beginning ---

function restyle() {
  readColours();
  drawLegends();
  drawRows();
  redraw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
new ResizeObserver(() => { redraw(); drawRows() }).observe(timeline);
readColours();
buildFilters();
buildLegends();
onFilterChanged();
wholeRun();
restyle();
