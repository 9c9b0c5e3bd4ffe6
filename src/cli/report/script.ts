/** Sorting and filtering of the layers' table; the page is complete without it. */
export const SCRIPT = `
(() => {
  const table = document.getElementById("layers");
  if (!table) return;
  const bodies = [...table.tBodies];
  const heads = [...table.tHead.rows[0].cells];
  const key = (body, column) => {
    const text = body.rows[0].cells[column].dataset.key;
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = bodies.map((body) => [key(body, column), body]);
      keyed.sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        return down ? compare(b, a) : compare(a, b);
      });
      table.append(...keyed.map(([, body]) => body));
    });
  });
  const tools = document.querySelector(".tools");
  const [field, count] = [tools.querySelector("input"), tools.querySelector("output")];
  tools.hidden = false;
  const texts = bodies.map((body) => body.rows[0].textContent.toLowerCase());
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\\s+/);
    let shown = 0;
    bodies.forEach((body, i) => {
      body.hidden = !words.every((word) => texts[i].includes(word));
      if (!body.hidden) shown++;
    });
    count.textContent = shown === bodies.length ? "" : shown + " of " + bodies.length;
  });
})();
`;
