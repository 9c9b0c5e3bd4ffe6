/** Pictures as inline SVG: nothing is loaded, colours come from the page's style. */
import type { ValueReport } from "../../analysis/report/compilationReport.js";
import { ZERO_EXPONENT } from "../../analysis/report/magnitudes.js";
import type { LayerRow } from "./layerRow.js";
import { grade } from "./layerRow.js";
import { bytes, counted } from "../format.js";
import { EXACT_DB, decibels, escaped, percent, short } from "./markup.js";

const WIDTH = 1120;
const LEFT = 62;
const RIGHT = 14;

/** One column for each layer, the same in all plots that stand above each other. */
class Columns {
  readonly #step: number;
  constructor(count: number) {
    this.#step = (WIDTH - LEFT - RIGHT) / Math.max(count, 1);
  }
  centre(i: number): number {
    return LEFT + (i + 0.5) * this.#step;
  }
  get bar(): number {
    return Math.min(26, Math.max(1, this.#step * 0.78));
  }
}

const n = (x: number): string => String(Math.round(x * 100) / 100);

function frame(height: number, label: string, body: string): string {
  return `<svg class="plot" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(label)}">${body}</svg>`;
}

function gridline(y: number, text: string): string {
  return (
    `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(y)}" y2="${n(y)}"/>` +
    `<text class="tick" x="${LEFT - 8}" y="${n(y + 4)}" text-anchor="end">${text}</text>`
  );
}

const nameOf = ({ layer, position }: LayerRow): string =>
  `#${String(position)} ${layer.node}${layer.operator === "" ? "" : ` (${layer.operator})`}`;

function linked({ position }: LayerRow, body: string): string {
  return `<a href="#layer-${String(position)}">${body}</a>`;
}

/** Signal to noise of each measured layer, in the order of the program. */
export function sqnrPlot(rows: readonly LayerRow[]): string {
  const [top, bottom] = [16, 226];
  const measured = rows.filter(({ sqnrDb }) => !Number.isNaN(sqnrDb));
  const finite = measured.map(({ sqnrDb }) => sqnrDb).filter((db) => db < EXACT_DB);
  const most = Math.ceil(Math.max(40, ...finite) / 20) * 20;
  const least = Math.max(-100, Math.floor(Math.min(0, ...finite) / 20) * 20);
  const columns = new Columns(rows.length);
  const y = (db: number): number =>
    bottom - ((Math.min(Math.max(db, least), most) - least) / (most - least)) * (bottom - top);
  let body = "";
  for (let db = least; db <= most; db += 20) body += gridline(y(db), String(db).replace("-", "−"));
  const points = measured.map(
    (row) => `${n(columns.centre(row.position - 1))},${n(y(row.sqnrDb))}`,
  );
  body += `<polyline class="trace" points="${points.join(" ")}"/>`;
  const radius = rows.length > 400 ? 2 : 4;
  for (const row of measured) {
    const { sqnrDb, value } = row;
    const output = value?.isOutput === true;
    const [cx, cy] = [columns.centre(row.position - 1), y(sqnrDb)];
    const title = `<title>${escaped(nameOf(row))}: ${decibels(sqnrDb)}${sqnrDb < EXACT_DB ? " dB" : ""}${output ? ", an output" : ""}</title>`;
    const r = radius + 2;
    const mark = output
      ? `<path class="dot ${grade(sqnrDb)}" d="M${n(cx)} ${n(cy - r)}l${r} ${r}l${-r} ${r}l${-r} ${-r}z">${title}</path>`
      : `<circle class="dot ${grade(sqnrDb)}" cx="${n(cx)}" cy="${n(cy)}" r="${radius}">${title}</circle>`;
    body += linked(row, mark);
  }
  const worst = measured.reduce<LayerRow | undefined>(
    (a, b) => (a === undefined || b.sqnrDb < a.sqnrDb ? b : a),
    undefined,
  );
  if (worst !== undefined && worst.sqnrDb < EXACT_DB) {
    const x = columns.centre(worst.position - 1);
    const end = x > WIDTH / 2;
    body += `<text class="note" x="${n(x + (end ? -10 : 10))}" y="${n(Math.min(y(worst.sqnrDb) + 16, bottom - 4))}" text-anchor="${end ? "end" : "start"}">worst: #${String(worst.position)}, ${decibels(worst.sqnrDb)} dB</text>`;
  }
  const label = `Signal to noise of ${String(measured.length)} layers in program order, in dB`;
  return frame(bottom + 10, label, body);
}

/** One bar for each layer. */
export function barPlot(
  rows: readonly LayerRow[],
  kind: "gas" | "bytes",
  sizeOf: (row: LayerRow) => number,
): string {
  const [top, bottom] = [14, 118];
  const sizes = rows.map(sizeOf);
  const total = sizes.reduce((a, b) => a + b, 0);
  const most = sizes.reduce((a, b) => Math.max(a, b), 0);
  const columns = new Columns(rows.length);
  const sized = kind === "bytes" ? bytes : short;
  let body = gridline(bottom, "0");
  if (most > 0) body += gridline(top, sized(most));
  rows.forEach((row, i) => {
    const size = sizes[i]!;
    if (size === 0) return;
    const height = Math.max(1, (size / most) * (bottom - top));
    const text = `${nameOf(row)}: ${sized(size)}, ${percent(size / total)}`;
    const title = `<title>${escaped(text)}</title>`;
    const x = columns.centre(i) - columns.bar / 2;
    body += linked(
      row,
      `<rect class="bar ${kind}" x="${n(x)}" y="${n(bottom - height)}" width="${n(columns.bar)}" height="${n(height)}" rx="1">${title}</rect>`,
    );
  });
  return frame(bottom + 10, `${kind === "gas" ? "Gas" : "Parameter bytes"} of each layer`, body);
}

const H = { width: 460, height: 150, left: 8, right: 8, top: 26, bottom: 124 };
/** Octaves below the greatest that are drawn. */
const OCTAVES = 36;

/**
 * How often magnitudes were seen in calibration, by octave and on a logarithmic scale, over what
 * the format can tell apart: from half a step up to its limit.
 */
export function histogramPlot(value: ValueReport): string {
  const octaves = value.magnitudes.filter(({ exponent }) => exponent > ZERO_EXPONENT);
  const limit = Math.max(Math.abs(value.limits[0]), Math.abs(value.limits[1]));
  const [step] = value.scale;
  if (octaves.length === 0 || !(step > 0) || !(limit > 0) || limit === Infinity) return "";
  const limitAt = Math.log2(limit);
  const stepAt = Math.log2(step / 2);
  const hi = Math.max(octaves.at(-1)!.exponent + 1, Math.ceil(limitAt)) + 1;
  const lo = Math.max(hi - OCTAVES, Math.min(octaves[0]!.exponent, Math.floor(stepAt)) - 1);
  const perOctave = (H.width - H.left - H.right) / (hi - lo);
  const x = (exponent: number): number => H.left + (Math.max(exponent, lo) - lo) * perOctave;
  const most = octaves.reduce((max, { count }) => Math.max(max, count), 0);
  const room = H.bottom - H.top;
  let body = `<rect class="held" x="${n(x(stepAt))}" y="${H.top}" width="${n(x(limitAt) - x(stepAt))}" height="${room}"/>`;
  for (const { exponent, count } of octaves) {
    if (exponent < lo) continue;
    const height = Math.max(2, (Math.log1p(count) / Math.log1p(most)) * room);
    const kind = exponent >= limitAt ? " out" : exponent + 1 <= stepAt ? " lost" : "";
    body += `<rect class="magnitude${kind}" x="${n(x(exponent) + 0.5)}" y="${n(H.bottom - height)}" width="${n(perOctave - 1)}" height="${n(height)}"><title>2^${exponent} to 2^${exponent + 1}: ${counted(count, "value")}</title></rect>`;
  }
  body += `<line class="axis" x1="${H.left}" x2="${H.width - H.right}" y1="${H.bottom}" y2="${H.bottom}"/>`;
  for (const [at, text, anchor] of [
    [stepAt, "half a step", stepAt - lo > (hi - lo) / 2 ? "end" : "start"],
    [limitAt, "limit", "end"],
  ] as const) {
    body += `<line class="limit" x1="${n(x(at))}" x2="${n(x(at))}" y1="${H.top - 4}" y2="${H.bottom}"/>`;
    body += `<text class="tick" x="${n(x(at) + (anchor === "end" ? 2 : -2))}" y="${H.top - 9}" text-anchor="${anchor}">${text}</text>`;
  }
  const every = Math.max(1, Math.ceil((hi - lo) / 9));
  for (let e = lo + 1; e < hi; e += every) {
    body += `<text class="tick" x="${n(x(e))}" y="${H.bottom + 16}" text-anchor="middle">2<tspan class="power" dy="-5">${String(e).replace("-", "−")}</tspan></text>`;
  }
  const label = `Histogram of the magnitudes of ${value.name} against its format`;
  return `<svg class="histogram" viewBox="0 0 ${H.width} ${H.height}" role="img" aria-label="${escaped(label)}">${body}</svg>`;
}
