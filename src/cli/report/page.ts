/** A compilation as one page of HTML that needs nothing but itself. */
import type { CompilationReport } from "../../analysis/report/compilationReport.js";
import { sha256 } from "../../module/sha256.js";
import { bytes, counted, grouped } from "../format.js";
import { layerTable, worstTable } from "./layerTable.js";
import type { LayerRow } from "./layerRow.js";
import { BAD_DB, FAIR_DB, grade, layerRows } from "./layerRow.js";
import { decibels, escaped, named, percent, short } from "./markup.js";
import { barPlot, sqnrPlot } from "./plots.js";
import { SCRIPT } from "./script.js";
import { STYLE } from "./style.js";

/** The page; the same report gives the same bytes. */
export function renderReport(report: CompilationReport): string {
  const rows = layerRows(report);
  const title = escaped(report.name);
  // Names out of the model are escaped; that no script but ours runs is held twice.
  const digest = btoa(String.fromCharCode(...sha256(new TextEncoder().encode(SCRIPT))));
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – AIVM compilation</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${named(report.name)}</h1>
<p class="quiet">module <code>${escaped(report.moduleId)}</code></p>
</header>
${warnings(report)}${summary(report, rows)}
${worst(report, rows)}
${along(report, rows)}
${layers(report, rows)}
<footer>Formats and ranges are those of the compiler and of the calibration; gas is ${gasSource(report)}.</footer>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function warnings({ madeUpSamples }: CompilationReport): string {
  if (!madeUpSamples) return "";
  return `<p class="warning"><b>No samples were given.</b> The ranges were measured on made-up random inputs, so the module may be far from accurate. Give real inputs with <code>--samples PATH...</code></p>\n`;
}

function tile(term: string, value: string, small = ""): string {
  return `<div><dt>${term}</dt><dd>${value}${small === "" ? "" : `<small>${small}</small>`}</dd></div>`;
}

function summary(report: CompilationReport, rows: readonly LayerRow[]): string {
  const { moduleBytes, parameterBytes, gas, gasKind, clippedValues, countedValues } = report;
  const outputs = rows.flatMap(({ layer }) =>
    layer.values.flatMap(({ isOutput, name, error }) =>
      isOutput && error !== undefined && !Number.isNaN(error.sqnrDb) ? [{ name, ...error }] : [],
    ),
  );
  const worstOutput = outputs.reduce<(typeof outputs)[number] | undefined>(
    (a, b) => (a === undefined || b.sqnrDb < a.sqnrDb ? b : a),
    undefined,
  );
  const at = Object.entries(report.dims)
    .map(([name, size]) => `${escaped(name)} = ${String(size)}`)
    .join(", ");
  const kinds = { exact: "exact", upperBound: "at most", unknown: escaped(report.gasReason) };
  const madeUp = report.madeUpSamples ? "made-up " : "";
  const clippedLayers = rows.filter(({ clipped }) => clipped > 0).length;
  const weights = rows.filter(({ layer }) => layer.weightBits !== undefined);
  const narrow = weights.filter(({ layer }) => (layer.weightBits ?? 0) <= 8).length;
  const mixed =
    narrow > 0 && narrow < weights.length
      ? `8-bit weights in ${String(narrow)} of ${counted(weights.length, "layer")}, `
      : "";
  const tiles = [
    tile(
      "precision",
      escaped(report.precision),
      `${mixed}calibrated on ${counted(report.samples, `${madeUp}sample`)}`,
    ),
    tile("module", bytes(moduleBytes), `${bytes(parameterBytes)} of parameters`),
    tile(
      "gas of a run",
      gas === undefined ? "unknown" : short(gas),
      [kinds[gasKind], at].filter(Boolean).join(", for "),
    ),
    tile(
      "worst output",
      worstOutput === undefined
        ? "–"
        : `<span class="${grade(worstOutput.sqnrDb)}">${decibels(worstOutput.sqnrDb)}${grade(worstOutput.sqnrDb) !== "none" && decibels(worstOutput.sqnrDb) !== "exact" ? " dB" : ""}</span>`,
      worstOutput === undefined ? "not measured" : named(worstOutput.name),
    ),
    tile(
      "clipped in calibration",
      countedValues === 0 ? "0" : percent(clippedValues / countedValues),
      clippedValues === 0
        ? `none of ${short(countedValues)} values`
        : `${grouped(clippedValues)} values in ${counted(clippedLayers, "layer")}`,
    ),
    tile("layers", grouped(rows.length), counted(report.instructions, "instruction")),
  ];
  return `<dl class="tiles">${tiles.join("\n")}</dl>`;
}

function worst({ measuredSamples }: CompilationReport, rows: readonly LayerRow[]): string {
  const head = "<section><h2>Worst layers</h2>";
  if (measuredSamples === undefined) {
    return `${head}<p>Errors were not measured: give <code>--samples PATH...</code>, beside <code>--calibration FILE</code> if you like, and the float model runs next to the module.</p></section>`;
  }
  return `${head}<p class="quiet">Signal to quantisation noise against the float model, over ${counted(measuredSamples, "sample")}. An error includes what a layer took over from those before it; <i>lost here</i> is what it added, against the worst value it is computed from. Layers that only pass values on are left out.</p><div class="scroll">${worstTable(rows)}</div></section>`;
}

function along({ measuredSamples, gas }: CompilationReport, rows: readonly LayerRow[]): string {
  const figure = (picture: string, caption: string): string =>
    `<figure class="along"><figcaption>${caption}</figcaption>${picture}</figure>`;
  const parts = [
    measuredSamples === undefined
      ? ""
      : figure(
          sqnrPlot(rows),
          `<b>SQNR</b>, dB (below ${BAD_DB} red, below ${FAIR_DB} amber; outputs are diamonds)`,
        ),
    gas === undefined
      ? ""
      : figure(
          barPlot(rows, "gas", ({ layer }) => Number(layer.gas ?? 0n)),
          "<b>Gas</b>",
        ),
    figure(
      barPlot(rows, "bytes", ({ layer }) => layer.parameterBytes),
      "<b>Parameter bytes</b>",
    ),
  ];
  return `<section><h2>Along the program</h2>${parts.join("\n")}</section>`;
}

function layers({ measuredSamples }: CompilationReport, rows: readonly LayerRow[]): string {
  return `<section><h2>Layers</h2><p class="quiet">In the order of the program. A layer opens to its format and the histogram of its values.</p>
<div class="tools" hidden><input type="search" placeholder="filter: name, operator, type" aria-label="Filter the layers by name, operator or type"><output class="quiet" aria-live="polite"></output></div>
<div class="scroll">${layerTable(rows, measuredSamples !== undefined)}</div></section>`;
}

function gasSource({ gasKind, gasReason }: CompilationReport): string {
  if (gasKind === "exact") return "what every run with these shapes takes";
  if (gasKind === "upperBound") return "that of the dearest way through the code";
  return `not known without running: ${escaped(gasReason)}`;
}
