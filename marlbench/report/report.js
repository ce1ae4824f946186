// Only takes away and sorts: without it everything is on the page.
"use strict";
const all = (what, from = document) => [...from.querySelectorAll(what)];
const make = (name, texts = {}, ...inner) => {
  const node = Object.assign(document.createElement(name), texts);
  node.append(...inner);
  return node;
};
const chosen = { labels: new Set(), spread: "interval seeds", across: "steps", metric: "" };

// What is shown: by label, spread, axis and metric.
function show() {
  const { labels, spread, across, metric } = chosen;
  for (const node of all("[data-label]"))
    node.classList.toggle("gone", labels.size > 0 && !labels.has(node.dataset.label));
  for (const [name, kind] of [["interval", ".interval"], ["sd", ".sd"], ["seeds", ".seed, svg .dot"]])
    for (const node of all(kind)) node.classList.toggle("gone", !spread.includes(name));
  for (const node of all("figure[data-across]"))
    node.classList.toggle("gone", node.dataset.across !== across || node.dataset.metric !== metric);
  for (const button of all(".tools button.label"))
    button.setAttribute("aria-pressed", labels.has(button.dataset.name));
}

function isolate(label, more) {
  const alone = chosen.labels.size === 1 && chosen.labels.has(label);
  if (more && chosen.labels.has(label)) chosen.labels.delete(label);
  else if (more) chosen.labels.add(label);
  else chosen.labels = new Set(alone ? [] : [label]);
  show();
}

function select(title, key, options) {
  if (options.length < 2) return "";
  const box = make("select", { title, ariaLabel: title });
  for (const [value, text] of options) box.append(make("option", { value, textContent: text }));
  box.value = chosen[key];
  box.onchange = () => { chosen[key] = box.value; show(); };
  return box;
}

function tools() {
  const bar = make("nav", { className: "tools", ariaLabel: "What is shown" });
  const labels = new Map(all("[data-label][data-name]").map(node => [node.dataset.label, node]));
  for (const [label, node] of labels) {
    const button = make("button", { textContent: node.dataset.name, title: "This label alone; with Shift one more" });
    button.className = `label ${[...node.classList].find(name => /^l\d+$/.test(name)) || ""}`;
    button.dataset.name = label;
    button.onclick = event => isolate(label, event.shiftKey);
    bar.append(button);
  }
  const views = key => [...new Set(all("figure[data-across]").map(node => node.dataset[key]))];
  const names = { steps: "by env steps", clock: "by wall-clock", "": "the table's metric" };
  bar.append(
    select("Spread", "spread", [["interval seeds", "interval and seeds"], ["interval", "interval"],
      ["sd", "standard deviation"], ["seeds", "seeds"], ["interval sd seeds", "all"]]),
    select("Axis", "across", views("across").map(view => [view, names[view]])),
    select("Metric", "metric", views("metric").map(view => [view, names[view] ?? view])),
  );
  document.querySelector("h1").parentElement.after(bar);
}

// Mean, interval and seeds of every label at the evaluation next to the pointer.
function hover(svg) {
  const [left, right, top, bottom, low, high] = svg.dataset.plane.split(",").map(Number);
  const curves = all("g[data-points]", svg).map(group => ({
    group, points: group.dataset.points.split(";").map(point => point.split(",").map(Number)) }));
  const digits = Number(svg.dataset.digits);
  svg.onpointermove = event => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const x = low + (place.x - left) / (right - left) * (high - low);
    if (place.x < left - 5 || place.x > right + 5) return leave(svg);
    const near = curves.filter(({ group }) => !group.classList.contains("gone")).map(({ group, points }) => ({
      group, point: points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a) }));
    if (!near.length) return leave(svg);
    const at = near.reduce((a, b) => Math.abs(b.point[0] - x) < Math.abs(a.point[0] - x) ? b : a).point[0];
    const line = svg.querySelector(".cursor") || svg.appendChild(document.createElementNS(svg.namespaceURI, "path"));
    const pixel = left + (at - low) / (high - low || 1) * (right - left);
    line.setAttribute("class", "cursor");
    line.setAttribute("d", `M${pixel} ${top}V${bottom}`);
    const box = document.getElementById("hover") || document.body.appendChild(make("div", { id: "hover" }));
    box.replaceChildren(`at ${at.toLocaleString("en")}`, ...near.sort((a, b) => b.point[1] - a.point[1]).map(({ group, point }) => {
      const [, mean, from, to, n] = point;
      const band = n > 1 && from < to ? ` [${from.toFixed(digits)}, ${to.toFixed(digits)}]` : "";
      return make("div", { className: group.classList[1], textContent: `${group.dataset.name} ${mean.toFixed(digits)}${band} n=${n}` });
    }));
    box.style.left = `${Math.min(event.pageX + 14, scrollX + innerWidth - box.offsetWidth - 8)}px`;
    box.style.top = `${event.pageY + 14}px`;
  };
  svg.onpointerleave = () => leave(svg);
}

function leave(svg) {
  document.getElementById("hover")?.remove();
  svg.querySelector(".cursor")?.remove();
}

// Rows by the number that their cell begins with, within their group.
function sortable(table) {
  all("thead tr:last-child th", table).forEach((head, column) => {
    const button = make("button", { textContent: head.textContent, title: "Sort" });
    head.replaceChildren(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => {
        const text = row.cells[column]?.textContent ?? "";
        return Number.isNaN(parseFloat(text)) ? text : parseFloat(text);
      };
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter(row => !row.querySelector("[scope=rowgroup]"));
        const order = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? 1 : -1;
        rows.sort((a, b) => order(key(a), key(b)) * (down ? -1 : 1));
        body.append(...rows);
      }
    };
  });
}

function copies(source) {
  const button = make("button", { className: "copy", textContent: source.dataset.copy });
  button.onclick = async () => {
    const text = source.content.textContent.trim() + "\n";
    try { await navigator.clipboard.writeText(text); } catch {
      const box = document.body.appendChild(make("textarea", { value: text }));
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    button.textContent = "copied";
    setTimeout(() => { button.textContent = source.dataset.copy; }, 1500);
  };
  source.before(button);
}

tools();
all("svg.curves").forEach(hover);
all("table.results, table.plain").forEach(sortable);
all("template[data-copy]").forEach(copies);
show();
