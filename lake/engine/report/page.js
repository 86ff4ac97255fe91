"use strict";
(() => {
  const { house, specs } = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll(".chart")];

  // A narrow page keeps room for the marks: long labels are cut, their full text is in the table below the chart.
  function styled(width) {
    const room = width < 480 ? Math.round(width * 0.34) : 260;
    return { ...house, axisY: { labelLimit: room }, legend: { ...house.legend, columns: width < 480 ? 2 : 0 } };
  }

  function draw(place) {
    if (place.dataset.drawn) return Promise.resolve();
    place.dataset.drawn = "yes";
    const spec = wanted(place);
    place.closest("figure").hidden = !spec;
    if (!spec) return Promise.resolve();
    const options = { actions: false, renderer: "svg", config: styled(place.clientWidth), tooltip: { theme: "house" } };
    return vegaEmbed(place, spec, options).then(
      () => { place.style.minHeight = ""; },
      () => { place.textContent = "This chart could not be drawn; its figures are in the table below."; },
    );
  }

  function again(place) {
    delete place.dataset.drawn;
    return draw(place);
  }

  // ---- one thing at a time: its rows become the data that the chart draws, and the table below it

  const unpacked = ({ fields, rows }, n) =>
    rows[n].map((row) => Object.fromEntries(fields.map((f, i) => [f, row[i]])));

  const said = (value) => (typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 3 }) : value ?? "");

  document.querySelectorAll("select[data-for]").forEach((chooser) => {
    chooser.addEventListener("change", () => {
      const { choices } = specs[chooser.dataset.for];
      const n = chooser.selectedIndex;
      const article = chooser.closest("article");
      article.querySelector("output").textContent = choices.said[n];
      article.querySelector("tbody")?.replaceChildren(...choices.rows[n].map((row) => {
        const line = document.createElement("tr");
        row.forEach((value) => {
          const cell = line.insertCell();
          cell.textContent = said(value);
          cell.className = typeof value === "number" ? "num" : "";
        });
        return line;
      }));
      again(document.getElementById(chooser.dataset.for));
    });
  });

  // ---- filters: rows of listings, and rows that charts draw, stay if they have no such field or the wanted value

  const filters = (place) =>
    [...(place.closest("section").querySelector(".filters")?.querySelectorAll("select") ?? [])]
      .filter((s) => s.value)
      .map((s) => [s.name, s.value]);

  function wanted(place) {
    const { choices, ...spec } = specs[place.id];
    const asked = filters(place);
    let had = 0, left = 0;
    function narrowed(part, key) {
      if (Array.isArray(part)) {
        const isRows = key === "values" && part.length && typeof part[0] === "object";
        if (!isRows) return part.map((p) => narrowed(p));
        const tagged = asked.some(([f]) => part.some((row) => f in row));
        const kept = part.filter((row) => asked.every(([f, v]) => !(f in row) || String(row[f]) === v));
        if (tagged) { had += 1; left += kept.length; }
        return kept;
      }
      if (part === null || typeof part !== "object") return part;
      return Object.fromEntries(Object.entries(part).map(([k, v]) => [k, narrowed(v, k)]));
    }
    const shown = asked.length ? narrowed(spec) : spec;
    if (had && !left) return null;
    if (!choices) return shown;
    const chooser = document.querySelector(`select[data-for="${place.id}"]`);
    return { ...shown, datasets: { chosen: unpacked(choices, chooser.selectedIndex) } };
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
  window.addEventListener("beforeprint", () => places.forEach(draw));

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
