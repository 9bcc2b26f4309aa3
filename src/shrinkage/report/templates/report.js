(async () => {
  const root = document.documentElement;
  const nonce = document.currentScript.nonce;
  // Colours are names, "@ink": what they are depends on light, dark or paper.
  function painted() {
    const style = getComputedStyle(root);
    const paint = (value) =>
      Array.isArray(value) ? value.map(paint)
      : typeof value === "string" && value[0] === "@" ? style.getPropertyValue("--" + value.slice(1)).trim()
      : value;
    const text = document.getElementById("figures").textContent;
    return JSON.parse(text, (key, value) => (/color$/.test(key) ? paint(value) : value));
  }

  function draw(width) {
    const figures = painted();
    for (const node of document.querySelectorAll("[data-figure]")) {
      const { data, layout } = figures[node.dataset.figure];
      layout.width = width || node.clientWidth;
      layout.font.family = getComputedStyle(document.body).fontFamily;
      Plotly.react(node, data, layout, { displayModeBar: false });
    }
    // A table that is wider than the page scrolls, by keyboard too.
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  try {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.nonce = nonce;
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    draw();
    root.dataset.drawn = "yes";
  } catch (error) {
    root.classList.add("no-charts"); // the tables hold the same numbers
    return;
  }

  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 100);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  document.addEventListener("toggle", () => draw(), true);
  document.addEventListener("redraw", () => draw()); // another page's script changed the figures

  const opened = [];
  addEventListener("beforeprint", () => {
    root.classList.add("paper");
    for (const each of document.querySelectorAll("section .blocks > details:not([open])")) {
      each.open = true;
      opened.push(each);
    }
    draw(660);
  });
  addEventListener("afterprint", () => {
    root.classList.remove("paper");
    for (const each of opened.splice(0)) each.open = false;
    draw();
  });
})();
