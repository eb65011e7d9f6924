// Shows one frame of each strip: a strip is the background of a pane, moved by the slider.
(() => {
  const data = document.getElementById("viewer-data");
  if (!data) return;
  const { aspect, domains } = JSON.parse(data.textContent);
  const [domain, play, frame, clock, panes] =
    ["domain", "play", "frame", "clock", "panes"].map((id) => document.getElementById(id));
  let timer = null;

  domains.forEach((d, i) => domain.add(new Option(d.id, i)));
  panes.classList.toggle("wide", aspect > 1.5);
  panes.style.setProperty("--aspect", aspect);

  function element(tag, parent, text) {
    const e = document.createElement(tag);
    e.textContent = text || "";
    parent.append(e);
    return e;
  }

  function chooseDomain() {
    const d = domains[domain.value];
    panes.replaceChildren();
    for (const pane of d.panes) {
      const box = element("figure", panes);
      element("figcaption", box, pane.title);
      const picture = element("div", box);
      picture.className = "picture";
      picture.style.backgroundImage = `url(${pane.strip})`;
      picture.style.backgroundSize = `${100 * pane.count}% 100%`;
      element("small", box);
    }
    frame.max = d.frames.length - 1;
    showFrame();
  }

  function showFrame() {
    const d = domains[domain.value], t = Number(frame.value);
    clock.textContent = `frame ${d.frames[t]}, time ${Number(d.times[t].toPrecision(4))}`;
    d.panes.forEach((pane, i) => {
      const [picture, text] = panes.children[i].querySelectorAll(".picture, small");
      const at = pane.at[t];
      picture.classList.toggle("absent", at === null);
      if (at !== null) {
        picture.style.backgroundPosition = `${pane.count > 1 ? (100 * at) / (pane.count - 1) : 0}% 0`;
      }
      text.textContent = pane.text[t];
    });
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }

  play.addEventListener("click", () => {
    if (timer) return stop();
    if (frame.value === frame.max) frame.value = 0;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      frame.value = Number(frame.value) + 1;
      showFrame();
      if (frame.value === frame.max) stop();
    }, 200);
  });
  frame.addEventListener("input", () => { stop(); showFrame(); });
  domain.addEventListener("change", chooseDomain);

  if (domains.length) {
    frame.max = domains[0].frames.length - 1;
    // Begin in the middle, or as near to it as every run has a frame.
    const middle = Math.floor(frame.max / 2), { frames, panes: first } = domains[0];
    const full = [...frames.keys()].filter((t) => first.every((pane) => pane.at[t] !== null));
    full.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
    frame.value = full.length ? full[0] : middle;
    chooseDomain();
  }
})();
