/** The layers in a table, each with its details below it. */
import type { ValueReport } from "../../analysis/report/compilationReport.js";
import { ZERO_EXPONENT } from "../../analysis/report/magnitudes.js";
import { bytes, counted, grouped } from "../format.js";
import type { LayerRow } from "./layerRow.js";
import { grade, worstFirst } from "./layerRow.js";
import { decibels, escaped, interval, named, percent, real, short } from "./markup.js";
import { histogramPlot } from "./plots.js";

/** Worst layers that are listed at the top. */
const WORST = 10;
/** Values of one layer that are shown in its details. */
const MAX_VALUES = 8;

interface Column {
  readonly title: string;
  readonly hint: string;
  readonly numeric: boolean;
  readonly cell: (row: LayerRow) => readonly [content: string, sortKey: number | string];
}

const known = (x: number | undefined): number | string =>
  x === undefined || Number.isNaN(x) ? "" : x;

const ERRORS: readonly Column[] = [
  {
    title: "SQNR",
    hint: "signal to quantisation noise against the float model, in dB",
    numeric: true,
    cell: ({ sqnrDb }) => [mark(sqnrDb), known(sqnrDb)],
  },
  {
    title: "lost here",
    hint: "dB by which it is worse than the worst value it is computed from",
    numeric: true,
    cell: ({ value }) => [decibels(value?.lostDb), known(value?.lostDb)],
  },
  {
    title: "max error",
    hint: "greatest absolute difference from the float model",
    numeric: true,
    cell: ({ value }) => [real(value?.error?.maxAbsError), known(value?.error?.maxAbsError)],
  },
];

const FACTS: readonly Column[] = [
  {
    title: "calibrated",
    hint: "least and greatest value seen in calibration",
    numeric: true,
    cell: ({ value }) => {
      const range = value?.range;
      return range === undefined
        ? ["–", ""]
        : [interval(range), Math.max(Math.abs(range[0]), Math.abs(range[1]))];
    },
  },
  {
    title: "format holds",
    hint: "least and greatest value that the format can stand for",
    numeric: true,
    cell: ({ value }) =>
      value === undefined ? ["–", ""] : [interval(value.limits), Math.abs(value.limits[1])],
  },
  {
    title: "clipped",
    hint: "values of calibration outside the format, at most",
    numeric: true,
    cell: ({ clipped, seen, layer }) =>
      layer.values.length === 0
        ? ["–", ""]
        : [clipped === 0 ? "0" : `<b class="bad">${grouped(clipped)}</b>`, clipped / (seen || 1)],
  },
  {
    title: "type",
    hint: "integer type that holds the value; bits of the weights",
    numeric: false,
    cell: ({ value, layer }) => {
      const type = value?.dtype ?? "";
      const weights = layer.weightBits === undefined ? "" : `w${String(layer.weightBits)}`;
      const both = [type, weights].filter((text) => text !== "").join(" · ");
      return [both === "" ? "–" : both, both];
    },
  },
];

function costs(rows: readonly LayerRow[]): Column[] {
  const greatest = (of: (row: LayerRow) => number): number =>
    rows.reduce((max, row) => Math.max(max, of(row)), 0);
  const gas = greatest(({ layer }) => Number(layer.gas ?? 0n));
  const parameters = greatest(({ layer }) => layer.parameterBytes);
  return [
    {
      title: "gas",
      hint: "gas of its instructions",
      numeric: true,
      cell: ({ layer }) =>
        layer.gas === undefined
          ? ["–", ""]
          : [inCellBar("gas", Number(layer.gas) / gas, short(layer.gas)), Number(layer.gas)],
    },
    {
      title: "bytes",
      hint: "bytes of the parameters that it is the first to read",
      numeric: true,
      cell: ({ layer }) => [
        inCellBar("bytes", layer.parameterBytes / parameters, bytes(layer.parameterBytes)),
        layer.parameterBytes,
      ],
    },
  ];
}

function mark(db: number): string {
  return Number.isNaN(db) ? "–" : `<span class="mark ${grade(db)}"></span>${decibels(db)}`;
}

function inCellBar(kind: "gas" | "bytes", share: number, text: string): string {
  if (!(share > 0)) return text;
  return `<span class="meter ${kind}" style="--share:${(100 * share).toFixed(1)}%">${text}</span>`;
}

/** All layers, in the order of the program. */
export function layerTable(rows: readonly LayerRow[], measured: boolean): string {
  const columns = [...(measured ? ERRORS : []), ...FACTS, ...costs(rows)];
  const heads = columns
    .map(
      ({ title, hint, numeric }) =>
        `<th scope="col"${numeric ? ' class="num"' : ""} title="${hint}">${title}</th>`,
    )
    .join("");
  const bodies = rows.map((row) => {
    const { position, layer } = row;
    const cells = columns
      .map(({ numeric, cell }) => {
        const [content, key] = cell(row);
        return `<td${numeric ? ' class="num"' : ""} data-key="${escaped(String(key))}">${content}</td>`;
      })
      .join("");
    const [node, operator] = [named(layer.node), escaped(layer.operator)];
    const output = layer.values.some(({ isOutput }) => isOutput)
      ? ' <span class="tag">output</span>'
      : "";
    const name =
      layer.values.length === 0
        ? `<span class="node">${node}</span>`
        : `<details><summary>${node}</summary></details>`;
    const more =
      layer.values.length === 0
        ? ""
        : `<tr class="more"><td></td><td colspan="${columns.length + 1}">${details(row)}</td></tr>`;
    return (
      `<tbody id="layer-${position}"><tr><td class="num" data-key="${position}">${position}</td>` +
      `<th scope="row" data-key="${escaped(layer.node)}">${name}<span class="operator">${operator}</span>${output}</th>${cells}</tr>${more}</tbody>`
    );
  });
  return (
    `<table id="layers"><thead><tr><th scope="col" class="num">#</th><th scope="col">layer</th>${heads}</tr></thead>` +
    `${bodies.join("\n")}</table>`
  );
}

function details({ layer, seen, clipped }: LayerRow): string {
  const shown = layer.values.slice(0, MAX_VALUES).map(valueDetails).join("");
  const left = layer.values.length - MAX_VALUES;
  const rest = left > 0 ? `<p class="quiet">and ${String(left)} values more</p>` : "";
  const outside =
    clipped > 0
      ? `, ${grouped(clipped)} of ${grouped(seen)} values clipped (${percent(clipped / seen)})`
      : "";
  const code =
    layer.instructions === 0
      ? "no instructions of its own: part of another layer, or only another name or shape"
      : counted(layer.instructions, "instruction");
  return `<p class="quiet">${code}${outside}</p>${shown}${rest}`;
}

function valueDetails(value: ValueReport): string {
  const { error, range, scale, count } = value;
  const zeros = value.magnitudes.find(({ exponent }) => exponent === ZERO_EXPONENT)?.count ?? 0;
  const seen = value.magnitudes.reduce((sum, octave) => sum + octave.count, 0);
  const facts: [string, string][] = [
    ["value", named(value.name)],
    ["type", value.dtype],
    ["step", scale[0] === scale[1] ? real(scale[0]) : `${interval(scale)}, by channel`],
    ["zero point", real(value.zeroPoint)],
    ["format holds", interval(value.limits)],
    ["calibrated", range === undefined ? "–" : interval(range)],
    ["clipped", `${grouped(value.clipped)} of ${grouped(count)}`],
  ];
  if (seen > 0) facts.push(["zeros", percent(zeros / seen)]);
  if (error !== undefined) {
    facts.push(
      ["SQNR", `${decibels(error.sqnrDb)}${error.sqnrDb < 300 ? " dB" : ""}`],
      ["max error", `${real(error.maxAbsError)} of RMS ${real(error.rms)}`],
    );
  }
  const list = facts.map(([term, is]) => `<div><dt>${term}</dt><dd>${is}</dd></div>`).join("");
  const picture = histogramPlot(value);
  const caption =
    "<figcaption>Magnitudes in calibration, by octave (logarithmic); shaded: what the format can tell apart.</figcaption>";
  return `<div class="value"><dl>${list}</dl>${picture === "" ? "" : `<figure>${picture}${caption}</figure>`}</div>`;
}

/** Whether a value is as good and as bad as what it is made from, as those of a Reshape. */
function passesOn(value: ValueReport | undefined): boolean {
  return Math.abs(value?.lostDb ?? NaN) < 0.05;
}

/** The measured layers that are worst off, but for those that pass on what they are given. */
export function worstTable(rows: readonly LayerRow[]): string {
  const worst = worstFirst(rows)
    .filter(({ value }) => !passesOn(value))
    .slice(0, WORST);
  if (worst.length === 0) return `<p>Every measured value equals the float model's.</p>`;
  const best = Math.max(...worst.map(({ sqnrDb }) => sqnrDb), 1);
  const lines = worst.map((row) => {
    const { position, layer, value, sqnrDb } = row;
    const share = Math.min(100, Math.max(1, (100 * sqnrDb) / best)).toFixed(1);
    const relative = (value?.error?.maxAbsError ?? NaN) / (value?.error?.rms ?? NaN);
    return (
      `<tr><th scope="row"><a href="#layer-${position}">#${position} ${named(layer.node)}</a></th>` +
      `<td>${escaped(layer.operator)}</td>` +
      `<td class="wide"><span class="gauge ${grade(sqnrDb)}" style="--share:${share}%"></span></td>` +
      `<td class="num">${decibels(sqnrDb)}</td><td class="num">${decibels(value?.lostDb)}</td>` +
      `<td class="num">${real(value?.error?.maxAbsError)}</td><td class="num">${Number.isFinite(relative) ? percent(relative) : "–"}</td></tr>`
    );
  });
  return (
    `<table class="worst"><thead><tr><th scope="col">layer</th><th scope="col">operator</th><th scope="col"><span class="unseen">SQNR as a bar</span></th>` +
    `<th scope="col" class="num">SQNR, dB</th><th scope="col" class="num">lost here, dB</th>` +
    `<th scope="col" class="num">max error</th><th scope="col" class="num">error / RMS</th></tr></thead><tbody>${lines.join("\n")}</tbody></table>`
  );
}
