// Charts as SVG, drawn anew for the width that the reader has.
const porecast = (() => {
  const LABEL = 12, LETTER = 6.6;
  const DASHES = { solid: "", marked: "", dashed: "6 4", dotted: "2 3", "long-dashed": "14 4" };
  const colour = (role) => `var(--${typeof role === "string" ? role : `run-${role.run % 6}`})`;
  const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
  const finite = (points) => points.filter((point) => point.every((v) => v !== null && Number.isFinite(v)));

  function ticks(low, high, count) {
    const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
    const digits = Math.min(8, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    return found.map((value) => [value, Math.abs(value) >= 1e5 ? value.toExponential(0) : value.toFixed(digits)]);
  }

  const short = (value) => (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3))));
  const text = (x, y, anchor, words, className = "") =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" class="${className}">${escape(words)}</text>`;
  const line = (x1, y1, x2, y2, className) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="${className}"/>`;

  function legend(series) {
    const entry = ({ label, colour: role, stroke }) =>
      `<span><svg width="30" height="10"><path d="M1 5H29" style="stroke:${colour(role)};stroke-width:2.5;stroke-dasharray:${DASHES[stroke]}"/>` +
      `${stroke === "marked" ? `<circle cx="15" cy="5" r="3.5" style="fill:${colour(role)}"/>` : ""}</svg>${escape(label)}</span>`;
    return `<p class="key">${series.filter((one) => one.label).map(entry).join("")}</p>`;
  }

  function lines(box, chart, limits, cursor) {
    const width = Math.max(220, box.clientWidth), height = Math.min(300, Math.max(190, width * 0.5));
    const [low, high, top] = limits;
    const yTicks = ticks(0, top, 5);
    const left = 14 + LETTER * Math.max(...yTicks.map(([, words]) => words.length)), right = 12, above = 8, below = 38;
    const x = (v) => left + ((v - low) / (high - low || 1)) * (width - left - right);
    const y = (v) => height - below - (v / top) * (height - above - below);
    let svg = "";
    for (const [v, words] of yTicks) svg += line(left, y(v), width - right, y(v), "grid") + text(left - 6, y(v) + 4, "end", words);
    for (const [v, words] of ticks(low, high, width / 80)) svg += line(x(v), y(0), x(v), y(0) + 4, "axis") + text(x(v), y(0) + 17, "middle", words);
    svg += line(left, y(0), width - right, y(0), "axis") + text(width - right, height - 4, "end", chart.x_label);
    const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    for (const { band, colour: role } of chart.series) {
      const points = finite(band);
      if (points.length < 2) continue;
      const outline = [...points.map(([a, , b]) => [a, b]), ...points.map(([a, b]) => [a, b]).reverse()];
      svg += `<path d="${path(outline)}Z" style="fill:${colour(role)};opacity:0.16"/>`;
    }
    for (const { points: all, colour: role, stroke } of chart.series) {
      const points = finite(all);
      const weight = role === "baseline" ? 1.8 : role === "truth" ? 2.6 : 2.2;
      svg += `<path d="${path(points)}" style="fill:none;stroke:${colour(role)};stroke-width:${weight};stroke-dasharray:${DASHES[stroke]}"/>`;
      if (stroke === "marked") svg += points.map(([a, b]) => `<circle cx="${x(a)}" cy="${y(b)}" r="3.5" style="fill:${colour(role)}"/>`).join("");
    }
    if (cursor) svg += line(x(cursor.x), above, x(cursor.x), y(0), "cursor");
    box.innerHTML = `<h3>${escape(chart.title)}</h3>${legend(chart.series)}<p class="axis-name">${escape(chart.y_label)}</p>` +
      `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(chart.title)}">${svg}</svg>`;
    if (cursor) {
      box.querySelector("svg[role]").addEventListener("click", (event) => {
        cursor.move(low + ((event.offsetX - left) / (width - left - right)) * (high - low));
      });
    }
  }

  // Charts side by side share their axes, unless each has a cursor of its own.
  function limits(charts) {
    const points = charts.flatMap((chart) => chart.series.flatMap((one) => [...finite(one.points), ...finite(one.band).map(([x, , y]) => [x, y])]));
    const xs = points.map(([x]) => x), top = Math.max(0, ...points.map(([, y]) => y));
    const [low, high] = [Math.min(...xs), Math.max(...xs)];
    return [low, high > low ? high : low + 1, top > 0 ? 1.05 * top : 1];
  }

  function boxes(parent, count) {
    while (parent.children.length > count) parent.lastElementChild.remove();
    while (parent.children.length < count) parent.append(document.createElement("div"));
    return [...parent.children];
  }

  function charts(parent, { charts: list }, cursor) {
    const all = limits(list);
    boxes(parent, list.length).forEach((box, i) => lines(box, list[i], cursor ? limits([list[i]]) : all, cursor));
  }

  function rows(box, { title, x_label, span, rows: list }) {
    const width = Math.max(220, box.clientWidth), isNarrow = width < 520;
    const longest = LETTER * 1.04 * Math.max(...list.map((row) => row.label.length), 4);
    const left = isNarrow ? 16 : Math.min(longest + 16, width * 0.42), right = 62, row = isNarrow ? 38 : 26;
    const values = list.flatMap((one) => [one.value, ...one.dots, ...(one.interval || [])]).filter(Number.isFinite);
    let [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
    const margin = high > low ? 0.05 * (high - low) : 1;
    [low, high] = span === "unit" ? [0, 1] : [span === "around-zero" ? low - margin : 0, high + margin];
    const bottom = 6 + row * list.length, height = bottom + 42;
    const x = (v) => left + (Math.min(Math.max(v, low), high) - low) / (high - low) * (width - left - right);
    let svg = "";
    for (const [v, words] of ticks(low, high, (width - left - right) / 70)) {
      svg += line(x(v), 6, x(v), bottom, "grid") + text(x(v), bottom + 15, "middle", words);
    }
    if (span === "around-zero") svg += line(x(0), 2, x(0), bottom, "axis strong");
    list.forEach((one, i) => {
      const middle = 6 + row * (i + 0.5) + (isNarrow ? 8 : 0), ink = colour(one.colour);
      svg += isNarrow ? text(left, middle - 11, "start", one.label, "name") : text(8, middle + 4, "start", one.label, "name");
      svg += one.dots.filter(Number.isFinite).map((v) => `<circle cx="${x(v)}" cy="${middle}" r="3.5" style="fill:${ink};opacity:0.4"/>`).join("");
      const tick = one.interval
        ? `<path d="M${x(one.interval[0])} ${middle}H${x(one.interval[1])}" style="stroke:${ink};stroke-width:2"/><circle cx="${x(one.value)}" cy="${middle}" r="4.5" style="fill:${ink}"/>`
        : `<path d="M${x(one.value)} ${middle - 9}v18" style="stroke:${ink};stroke-width:2.5"/>`;
      svg += tick + text(width - right + 8, middle + 4, "start", short(one.value), "value");
    });
    svg += text(width - 4, height - 6, "end", x_label);
    box.innerHTML = `<h3>${escape(title)}</h3><svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">${svg}</svg>`;
  }

  function drawAll() {
    for (const place of document.querySelectorAll(".drawing")) {
      const spec = JSON.parse(place.querySelector("script").textContent), parent = place.lastElementChild;
      if (spec.charts) {
        parent.classList.toggle("few", spec.charts.charts.length < 2);
        charts(parent, spec.charts);
      } else {
        parent.classList.toggle("few", spec.dots.length < 2);
        boxes(parent, spec.dots.length).forEach((box, i) => rows(box, spec.dots[i]));
      }
    }
  }

  let width = innerWidth;
  addEventListener("resize", () => { if (width !== (width = innerWidth)) drawAll(); });
  addEventListener("DOMContentLoaded", drawAll);
  addEventListener("toggle", drawAll, true);
  return { charts };
})();
