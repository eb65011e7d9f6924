// The player: sequences frame by frame, the saturation curve under them, and the map of arrival times.
(() => {
  const data = document.getElementById("film");
  if (!data) return;
  const film = JSON.parse(data.textContent);
  const [height, width] = film.shape;
  const [domainBox, slider, play, loop, clock, stage, panes, curves, maps, facts] =
    ["domain", "frame", "play", "loop", "clock", "stage", "panes", "curves", "maps", "facts"].map((id) => document.getElementById(id));

  const SOLID = [134, 134, 138], DEFENDING = [247, 244, 236], INVADING = [18, 78, 140];
  const TOO_MUCH = [230, 159, 0], MISSED = [123, 63, 181];
  const ARRIVAL = [[8, 29, 88], [34, 94, 168], [29, 145, 192], [65, 182, 196], [127, 205, 187], [199, 233, 180]];
  const SHADES = 15, INVADED = 8;
  const mix = (a, b, share) => a.map((v, c) => Math.round(v + share * (b[c] - v)));
  const ramp = (from, to) => Array.from({ length: SHADES + 1 }, (_, i) => mix(from, to, i / SHADES));
  const PHASE = ramp(DEFENDING, INVADING), OVER = ramp(DEFENDING, TOO_MUCH), UNDER = ramp(DEFENDING, MISSED);

  let shown = null, timer = null;

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const shades = new Uint8Array(await new Response(stream).arrayBuffer());
    for (let i = width * height; i < shades.length; i++) shades[i] ^= shades[i - width * height];
    return shades;
  }

  function element(tag, parent, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  }

  function pane(parent, title, className) {
    const figure = element("figure", parent, className);
    element("figcaption", figure, "", title);
    const canvas = element("canvas", figure, `inlet-${film.inlet}`);
    canvas.width = width;
    canvas.height = height;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    return { figure, canvas, note: element("small", figure) };
  }

  function paint(canvas, colour) {
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const [r, g, b] = shown.solid[i] ? SOLID : colour(i);
      image.data.set([r, g, b, 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  const digits = (value) => Number(value.toPrecision(3));
  const at = (sequence, t) => (sequence.at && sequence.at.length ? sequence.at[t] : t);
  const unit = { "pore-volumes": "pore volumes injected", seconds: "s", frame: "" }[film.time_unit];
  const timeText = (time) => (unit ? `${digits(time)} ${unit}` : `frame ${time}`);
  const timeAxis = { "pore-volumes": "time (pore volumes injected)", seconds: "time (s)", frame: "time (frames)" }[film.time_unit];

  async function chooseDomain() {
    const domain = film.domains[domainBox.value];
    const [solid, ...frames] = await Promise.all([domain.solid, ...domain.sequences.map((one) => one.frames)].map(unpack));
    shown = { domain, solid, sequences: domain.sequences.map((one, i) => ({ ...one, shades: frames[i] })) };
    slider.max = domain.frames.length - 1;
    facts.textContent = domain.facts.map(([name, value]) => `${name} ${value}`).join(" · ");
    buildPanes();
    buildMaps();
    layout();
    showFrame();
  }

  function buildPanes() {
    panes.replaceChildren();
    const truth = shown.sequences.find((one) => one.colour === "truth");
    shown.panes = [];
    const add = (title, column, row, draw) => {
      const made = pane(panes, title, row === 2 ? "error" : "");
      made.figure.style.setProperty("--column", column);
      made.figure.style.setProperty("--row", row);
      shown.panes.push({ ...made, draw });
    };
    if (shown.sequences.length === 1) add("Domain", 1, 1, () => ({ colour: () => DEFENDING, note: "" }));
    const first = shown.panes.length;
    shown.sequences.forEach((one, i) => {
      const column = first + i + 1;
      add(one.name, column, 1, (t) => {
        const f = at(one, t), from = f * width * height;
        return f === null ? null
          : { colour: (p) => PHASE[one.shades[from + p]], note: `saturation ${one.saturation[f].toFixed(3)}` };
      });
      if (!truth || one === truth) return;
      add(`${one.name} − true`, column, 2, (t) => {
        const f = at(one, t), g = at(truth, t);
        if (f === null || g === null) return null;
        const from = f * width * height, other = g * width * height;
        const colour = (p) => {
          const difference = one.shades[from + p] - truth.shades[other + p];
          return difference < 0 ? UNDER[-difference] : OVER[difference];
        };
        return { colour, note: one.mse && one.mse.length ? `mean squared error ${one.mse[f].toFixed(4)}` : "" };
      });
    });
    shown.columns = first + shown.sequences.length;
  }

  // When each pixel is first invaded.
  function buildMaps() {
    maps.replaceChildren();
    const { times } = shown.domain, last = times[times.length - 1] || 1;
    shown.maps = shown.sequences.filter((one) => (one.at && one.at.length ? one.at.every((f) => f !== null) : true));
    for (const one of shown.maps) {
      const { canvas } = pane(maps, one.name);
      const colours = times.map((time) => {
        const place = Math.max(0, time / last) * (ARRIVAL.length - 1), low = Math.min(Math.floor(place), ARRIVAL.length - 2);
        return mix(ARRIVAL[low], ARRIVAL[low + 1], place - low);
      });
      paint(canvas, (p) => {
        const t = times.findIndex((_, t) => one.shades[at(one, t) * width * height + p] >= INVADED);
        return t < 0 ? DEFENDING : colours[t];
      });
    }
    document.getElementById("latest").textContent = timeText(last);
    document.getElementById("earliest").textContent = unit ? "0" : "frame 0";
  }

  function showFrame() {
    const t = Number(slider.value), { domain } = shown;
    clock.textContent = unit ? `${timeText(domain.times[t])} · frame ${domain.frames[t]}` : `frame ${domain.frames[t]}`;
    for (const { figure, canvas, note, draw } of shown.panes) {
      const drawn = draw(t);
      figure.classList.toggle("absent", !drawn);
      if (drawn) paint(canvas, drawn.colour);
      note.textContent = drawn ? drawn.note : "not predicted at this time";
    }
    const { domain: { times }, sequences } = shown;
    const series = (values) => sequences.filter((one) => values(one)?.length).map((one) => ({
      label: one.name, colour: one.colour, stroke: one.colour === "baseline" ? "dotted" : at(one, 0) === null || values(one).length < 5 ? "marked" : "solid",
      points: times.map((time, t) => [time, at(one, t)]).filter(([, f]) => f !== null).map(([time, f]) => [time, values(one)[f]]),
      band: [],
    }));
    const charts = [
      { title: "Saturation", x_label: timeAxis, y_label: "fraction of the pore space", series: series((one) => one.saturation) },
      { title: "Error", x_label: timeAxis, y_label: "mean squared error in the pore space", series: series((one) => one.mse) },
    ];
    const cursor = { x: times[t], move: (x) => go(nearest(times, x)) };
    porecast.charts(curves, { charts: charts.filter((chart) => chart.series.length) }, cursor);
  }

  const nearest = (times, x) => times.reduce((best, time, t) => (Math.abs(time - x) < Math.abs(times[best] - x) ? t : best), 0);

  // Panes as large as fit: side by side, on a phone two in a row, wide domains one above the other.
  function layout() {
    if (!shown) return;
    const room = stage.clientWidth, isNarrow = room < 560, isWide = width > 1.5 * height, gap = isNarrow ? 8 : 16;
    const columns = isNarrow ? (isWide ? 1 : 2) : isWide ? 2 : shown.columns;
    const hasErrors = shown.panes.length > shown.columns;
    const tallest = innerHeight * (isNarrow ? 0.5 : hasErrors ? 0.42 : 0.62);
    const paneWidth = Math.max(56, Math.min((room - gap * (columns - 1)) / columns, (tallest * width) / height));
    stage.style.setProperty("--gap", `${gap}px`);
    for (const place of [panes, maps]) {
      place.style.setProperty("--pane", `${Math.floor(paneWidth)}px`);
      place.style.setProperty("--columns", place === maps ? Math.min(columns, shown.maps.length || 1) : columns);
    }
    panes.classList.toggle("flow", isNarrow || isWide);
    scaleBar(paneWidth);
  }

  function scaleBar(paneWidth) {
    const pixel = (film.voxel_size_m || 1) * film.step, whole = pixel * width;
    const power = 10 ** Math.floor(Math.log10(whole / 2));
    const length = [5, 2, 1].map((n) => n * power).find((n) => n <= (whole / 2) * (1 + 1e-9)) || power;
    const units = [[1, "m"], [1e-2, "cm"], [1e-3, "mm"], [1e-6, "µm"], [1e-9, "nm"]];
    const [size, name] = units.find(([size]) => length >= size * 0.999) || units[4];
    const bar = document.getElementById("scale");
    bar.style.setProperty("--length", `${(paneWidth * length) / whole}px`);
    bar.lastElementChild.textContent = film.voxel_size_m ? `${digits(length / size)} ${name}` : `${digits(length)} pixels`;
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }

  function start() {
    if (slider.value === slider.max) slider.value = 0;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    showFrame();
    timer = setInterval(() => {
      if (slider.value !== slider.max) slider.value = Number(slider.value) + 1;
      else if (loop.checked) slider.value = 0;
      else return stop();
      showFrame();
    }, 250);
  }

  function go(t) {
    stop();
    slider.value = t;
    showFrame();
  }

  function turn(by) {
    const count = film.domains.length;
    domainBox.value = (Number(domainBox.value) + by + count) % count;
    chooseDomain();
  }

  if (!("DecompressionStream" in window)) {
    facts.textContent = "The player needs a browser of 2023 or later.";
    return;
  }
  document.querySelector(".choice").hidden = film.total === 1;
  film.domains.forEach((domain, i) => domainBox.add(new Option(domain.id, i)));
  play.addEventListener("click", () => (timer ? stop() : start()));
  slider.addEventListener("input", () => { stop(); showFrame(); });
  domainBox.addEventListener("change", chooseDomain);
  document.getElementById("previous").addEventListener("click", () => turn(-1));
  document.getElementById("next").addEventListener("click", () => turn(1));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || /SELECT|TEXTAREA|SUMMARY/.test(event.target.tagName)) return;
    const keys = {
      " ": () => (timer ? stop() : start()),
      ArrowLeft: () => go(Number(slider.value) - 1),
      ArrowRight: () => go(Number(slider.value) + 1),
      Home: () => go(0),
      End: () => go(slider.max),
      n: () => turn(1),
      p: () => turn(-1),
      l: () => { loop.checked = !loop.checked; },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  addEventListener("resize", layout);

  if (film.domains.length) {
    // Begin in the middle, or as near to it as every run has a frame.
    const { frames, sequences } = film.domains[0], middle = Math.floor((frames.length - 1) / 2);
    const full = [...frames.keys()].filter((t) => sequences.every((one) => at(one, t) !== null));
    slider.max = frames.length - 1;
    slider.value = full.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0] ?? middle;
    domainBox.value = 0;
    chooseDomain();
  }
})();
