"use strict";
(() => {
  const { house, specs } = JSON.parse(document.getElementById("charts").textContent);
  const ERROR = 1; // Vega's log level: it warns of every layer that happens to be empty
  const places = [...document.querySelectorAll(".chart")];

  // A narrow page keeps room for the marks: long labels are cut, their full text is in the table below the chart.
  function styled(width) {
    const room = width < 480 ? Math.round(width * 0.34) : 260;
    return { ...house, axisY: { labelLimit: room }, legend: { ...house.legend, columns: width < 480 ? 2 : 0 } };
  }

  // The drawing engine is most of the file. It is read after the words are on the screen.
  let engine;
  const ready = () => (engine ??= new Promise((done) => {
    requestAnimationFrame(() => setTimeout(() => {
      const script = document.createElement("script");
      script.textContent = document.getElementById("engine").textContent;
      document.head.append(script);
      done();
    }, 0));
  }));

  async function draw(place) {
    if (place.dataset.drawn) return Promise.resolve();
    place.dataset.drawn = "yes";
    await ready();
    const spec = wanted(place);
    place.closest("figure").hidden = !spec;
    if (!spec) return Promise.resolve();
    const options = { actions: false, logLevel: ERROR, renderer: "svg", config: styled(place.clientWidth), tooltip: { theme: "house" } };
    return vegaEmbed(place, spec, options).then(
      () => { place.style.minHeight = ""; },
      () => { place.textContent = "This chart could not be drawn; its figures are in the table below."; },
    );
  }

  function again(place) {
    delete place.dataset.drawn;
    return draw(place);
  }

  // Rows come without their fields' names, and without the nulls at their ends.
  const unpacked = (fields, rows) => rows.map((row) => Object.fromEntries(fields.map((f, i) => [f, row[i] ?? null])));

  // ---- one thing at a time: its rows become the data that the chart draws, and the table below it

  const said = (value) => (typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 3 }) : value ?? "");

  document.querySelectorAll("select[data-for]").forEach((chooser) => {
    chooser.addEventListener("change", () => {
      const { choices } = specs[chooser.dataset.for];
      const n = chooser.selectedIndex;
      const article = chooser.closest("article");
      article.querySelector("output").textContent = choices.said[n];
      article.querySelector("tbody")?.replaceChildren(...choices.rows[n].map((row) => {
        const line = document.createElement("tr");
        choices.fields.forEach((_, i) => {
          const cell = line.insertCell();
          cell.textContent = said(row[i]);
          cell.className = typeof row[i] === "number" ? "num" : "";
        });
        return line;
      }));
      again(document.getElementById(chooser.dataset.for));
    });
  });

  // ---- filters: rows of listings, and rows that charts draw, stay if they have no such value or the wanted one

  const filters = (place) =>
    [...(place.closest("section").querySelector(".filters")?.querySelectorAll("select") ?? [])]
      .filter((s) => s.value)
      .map((s) => [s.name, s.value]);

  function wanted(place) {
    const { choices, ...spec } = specs[place.id];
    const asked = filters(place);
    let had = 0, left = 0;
    const datasets = Object.fromEntries(Object.entries(spec.datasets).map(([name, { fields, rows }]) => {
      const tagged = asked.some(([f]) => fields.includes(f));
      const kept = unpacked(fields, rows).filter((row) => asked.every(([f, v]) => String(row[f] ?? v) === v));
      if (tagged) { had += 1; left += kept.length; }
      return [name, kept];
    }));
    if (had && !left) return null;
    if (choices) {
      const chooser = document.querySelector(`select[data-for="${place.id}"]`);
      datasets.chosen = unpacked(choices.fields, choices.rows[chooser.selectedIndex]);
    }
    return { ...spec, datasets };
  }

  document.querySelectorAll(".filters").forEach((form) => {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => {
      const section = form.closest("section");
      const asked = filters(form);
      const rows = [...section.querySelectorAll("tbody tr")];
      rows.forEach((row) => {
        row.hidden = asked.some(([f, v]) => row.hasAttribute(`data-${f}`) && row.getAttribute(`data-${f}`) !== v);
      });
      const listed = rows.filter((row) => row.closest(".listing"));
      section.querySelectorAll("details.more").forEach((more) => { more.open = asked.length > 0; });
      form.querySelector("output").textContent = asked.length
        ? `${listed.filter((r) => !r.hidden).length} of ${listed.length} listed rows; what is said above is of all`
        : "";
      section.querySelectorAll(".chart").forEach((place) => {
        if (form.querySelectorAll("select").length && place.dataset.drawn) again(place);
      });
    });
  });

  const near = new IntersectionObserver(
    (seen) => seen.filter((s) => s.isIntersecting).forEach((s) => { near.unobserve(s.target); draw(s.target); }),
    { rootMargin: "400px" },
  );
  places.forEach((p) => near.observe(p));

  // The others one by one between frames, so that a print has all of them.
  (function next(rest) {
    if (rest.length) setTimeout(() => { draw(rest[0]).then(() => next(rest.slice(1))); }, 0);
  })(places);
  const rest = [...document.querySelectorAll("details.more")];
  window.addEventListener("beforeprint", () => { places.forEach(draw); rest.forEach((more) => { more.open = true; }); });

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const current = new IntersectionObserver(
    (seen) => seen.filter((s) => s.isIntersecting).forEach((s) => {
      links.forEach((a) => a.removeAttribute("aria-current"));
      links.get(s.target.id)?.setAttribute("aria-current", "true");
    }),
    { rootMargin: "-20% 0px -70% 0px" },
  );
  document.querySelectorAll("main > section").forEach((s) => current.observe(s));
})();
