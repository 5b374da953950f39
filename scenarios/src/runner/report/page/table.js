// The table: every row that passes the filter, of which only those that are seen exist on the page.

const scroller = document.getElementById("scroller");
const rowBox = document.getElementById("rows");
const ROW_HEIGHT = 28;
// Browsers cannot lay out a box that is much higher than this.
const BOX_HEIGHT_MAX = 8_000_000;
let tableRows = shownRows;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const boxHeight = () => Math.min(tableRows.length * ROW_HEIGHT, BOX_HEIGHT_MAX);
// How far the rows are moved for each pixel of scrolling: 1 unless there are more rows than a box can hold.
const stretch = () => {
  const real = tableRows.length * ROW_HEIGHT - scroller.clientHeight, box = boxHeight() - scroller.clientHeight;
  return box > 0 ? real / box : 1;
};

function setTableRows() {
  const inView = document.getElementById("in-view").checked;
  const from = inView ? firstAt(shownRows, view.from) : 0;
  const to = inView ? firstAt(shownRows, view.to) : shownRows.length;
  tableRows = inView ? shownRows.slice(from, to) : shownRows;
  rowBox.style.height = `${boxHeight()}px`;
  document.getElementById("grid").setAttribute("aria-rowcount", String(tableRows.length + 1));
  const digits = (number) => number.toLocaleString("en").replaceAll(",", "\u202f");
  const of = tableRows.length === rows.length ? "" : ` of ${digits(rows.length)}`;
  document.getElementById("count").textContent = `${digits(tableRows.length)}${of}`;
  drawRows();
}

function drawRows() {
  const top = scroller.scrollTop * stretch();
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - 5);
  const last = Math.min(tableRows.length, Math.ceil((top + scroller.clientHeight) / ROW_HEIGHT) + 5);
  const made = [];
  for (let place = first; place < last; place += 1) {
    const row = tableRows[place], { who, kind, what, colour, bad, lost } = describe(row);
    const classes = ["row", row === state.chosen ? "chosen" : "", bad ? "bad" : "", lost ? "lost" : ""].join(" ");
    const line = element("div", { className: classes, role: "row" });
    line.setAttribute("aria-rowindex", String(place + 2));
    line.style.top = `${place * ROW_HEIGHT - top + scroller.scrollTop}px`;
    const kindCell = element("span", { role: "cell" });
    if (colour) {
      const dot = element("i");
      dot.style.setProperty("--c", colours[colour]);
      kindCell.append(dot);
    }
    kindCell.append(kind);
    const cell = (text) => element("span", { role: "cell", title: text }, text);
    const narrow = innerWidth <= 700;
    // A narrow table has no column for the kind; an event names its own.
    const words = narrow && row.type !== "event" ? `${kind} ${what}` : what;
    line.append(cell(inSeconds(row.at)), cell(narrow ? who.replaceAll("node-", "n ") : who), kindCell, cell(words));
    line.onclick = () => choose(row, { scroll: false, centre: true });
    made.push(line);
  }
  if (tableRows.length === 0) made.push(element("p", { className: "nothing" }, "Nothing fits the filter."));
  rowBox.replaceChildren(...made);
}

function showRow(row) {
  const place = tableRows.indexOf(row);
  if (place < 0) return;
  const top = place * ROW_HEIGHT / stretch();
  if (top < scroller.scrollTop || top > scroller.scrollTop + scroller.clientHeight - 2 * ROW_HEIGHT) {
    scroller.scrollTop = top - scroller.clientHeight / 2;
  }
  drawRows();
}

scroller.addEventListener("scroll", drawRows);
scroller.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    stepRow(step);
  } else if (event.key === "Enter" && state.chosen) {
    timeline.scrollIntoView({ block: "center" });
    centre(state.chosen.at);
  }
});

// Chooses the next or previous row of the table.
function stepRow(step) {
  const place = state.chosen ? tableRows.indexOf(state.chosen) : -1;
  const start = place >= 0 ? place : firstAt(tableRows, view.from) - (step > 0 ? 1 : 0);
  const row = tableRows[Math.min(Math.max(start + step, 0), tableRows.length - 1)];
  if (row) choose(row, { scroll: true, centre: true });
}
