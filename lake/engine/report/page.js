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
    const options = { actions: false, renderer: "svg", config: styled(place.clientWidth), tooltip: { theme: "house" } };
    return vegaEmbed(place, specs[place.id], options).then(
      () => { place.style.minHeight = ""; },
      () => { place.textContent = "This chart could not be drawn; its figures are in the table below."; },
    );
  }

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
