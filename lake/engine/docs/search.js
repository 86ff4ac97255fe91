"use strict";
(() => {
  const MOST = 60;
  const tables = JSON.parse(document.getElementById("index").textContent);
  const box = document.getElementById("q"), found = document.getElementById("found"), all = document.getElementById("all");

  // What there is to find: tables, and columns of tables; a hit in a name weighs more than one in what is said of it.
  const things = tables.flatMap(([id, said, columns]) => [
    { name: id, said, href: `${id}.html`, short: id.split(".").pop() },
    ...columns.map(([name, unit, doc]) => ({
      name: `${id}.${name}`, said: [unit && `[${unit}]`, doc].filter(Boolean).join(" "), href: `${id}.html#c-${name}`, short: name, column: true,
    })),
  ]);

  function weight(thing, words) {
    const name = thing.name.toLowerCase(), short = thing.short.toLowerCase(), said = thing.said.toLowerCase();
    let sum = thing.column ? 0 : 1;
    for (const word of words) {
      if (short === word) sum += 12;
      else if (short.startsWith(word)) sum += 8;
      else if (short.includes(word)) sum += 6;
      else if (name.includes(word)) sum += 3;
      else if (said.includes(word)) sum += 2;
      else return 0;
    }
    return sum;
  }

  function marked(text, words) {
    const place = document.createDocumentFragment();
    const pattern = words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
    text.split(new RegExp(`(${pattern})`, "gi")).forEach((part, n) => {
      const node = n % 2 ? document.createElement("mark") : document.createTextNode(part);
      if (n % 2) node.textContent = part;
      place.append(node);
    });
    return place;
  }

  function search() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    all.hidden = words.length > 0;
    found.hidden = !words.length;
    if (!words.length) return;
    const hits = things.map((t) => [weight(t, words), t]).filter(([w]) => w).sort((a, b) => b[0] - a[0] || (a[1].name < b[1].name ? -1 : 1));
    const list = document.createElement("ol");
    for (const [, thing] of hits.slice(0, MOST)) {
      const item = list.appendChild(document.createElement("li"));
      const link = item.appendChild(document.createElement("a"));
      link.href = thing.href;
      link.appendChild(document.createElement("b")).append(marked(thing.name, words));
      item.appendChild(document.createElement("span")).append(marked(thing.said, words));
    }
    const count = document.createElement("p");
    count.className = "read";
    count.textContent = hits.length > MOST ? `The first ${MOST} of ${hits.length}` : hits.length ? `${hits.length} found` : "Nothing is called so, or said so.";
    found.replaceChildren(count, list);
  }

  box.value = new URLSearchParams(location.search).get("q") ?? "";
  box.addEventListener("input", search);
  box.form.addEventListener("submit", (event) => {
    event.preventDefault();
    found.querySelector("a")?.click();
  });
  search();
})();
