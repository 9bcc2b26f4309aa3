(() => {
  const at = (name) => document.getElementById(name);
  const page = at("page");
  const source = new EventSource("events" + location.search);

  // A folded table that is open, and what has the focus, are found again by place and words.
  const name = (node) => {
    const section = node.closest("section");
    const own = [...(section || page).querySelectorAll(node.tagName)];
    return [section && section.id, node.tagName, own.indexOf(node)].join(" ");
  };
  const named = (wanted) =>
    [...page.querySelectorAll(wanted.split(" ")[1])].find((node) => name(node) === wanted);

  function show({ title, body, figures }) {
    const next = document.createElement("template");
    next.innerHTML = body;
    for (const place of next.content.querySelectorAll("[data-figure]")) {
      const drawn = page.querySelector(`[data-figure="${place.dataset.figure}"]`);
      if (drawn) {
        drawn.style.minHeight = place.style.minHeight;
        place.replaceWith(drawn); // plotly brings it up to date: nothing flickers
      }
    }
    const opened = [...page.querySelectorAll("details[open]")].map(name);
    const active = page.contains(document.activeElement) ? name(document.activeElement) : null;
    page.replaceChildren(next.content);
    for (const wanted of opened) {
      const found = named(wanted);
      if (found) found.open = true;
    }
    if (active) named(active)?.focus({ preventScroll: true });
    document.title = title;
    at("figures").textContent = JSON.stringify(figures);
    document.dispatchEvent(new Event("redraw"));
  }

  function end(text) {
    source.close(); // it would ask again, and nobody is there
    at("live").classList.add("over");
    at("says").textContent = text;
  }

  source.addEventListener("page", (event) => show(JSON.parse(event.data)));
  source.addEventListener("tick", (event) => {
    const { phase, left, used } = JSON.parse(event.data);
    at("phase").textContent = phase;
    at("left").textContent = left;
    at("used").value = used;
  });
  source.addEventListener("end", (event) => end(JSON.parse(event.data)));
  source.addEventListener("error", () =>
    end("shrinkage watch has ended; the run may go on. What stands here is the last that was known.")
  );
})();
