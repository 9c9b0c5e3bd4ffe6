import { describe, expect, it } from "vitest";
import type {
  CompilationReport,
  LayerReport,
  ValueReport,
} from "../../../src/analysis/report/compilationReport.js";
import { renderReport } from "../../../src/cli/report/page.js";
import { SCRIPT } from "../../../src/cli/report/script.js";

function value(name: string, more: Partial<ValueReport> = {}): ValueReport {
  return {
    name,
    dtype: "i16",
    scale: [0.5, 0.5],
    limits: [-16384.25, 16383.75],
    zeroPoint: 0,
    range: [-3, 7.5],
    clipped: 0,
    count: 100,
    isOutput: false,
    magnitudes: [
      { exponent: -127, count: 25 },
      { exponent: 1, count: 60 },
      { exponent: 2, count: 15 },
    ],
    ...more,
  };
}

const layer = (node: string, values: readonly ValueReport[], gas = 10n): LayerReport => ({
  node,
  operator: "Conv",
  values,
  instructions: 2,
  gas,
  parameterBytes: 1500,
});

const error = (sqnrDb: number) => ({ sqnrDb, maxAbsError: 0.125, rms: 2, count: 100 });

function report(more: Partial<CompilationReport> = {}): CompilationReport {
  return {
    name: "model.onnx",
    moduleId: "ab".repeat(32),
    precision: "fx16",
    samples: 3,
    madeUpSamples: false,
    moduleBytes: 12_345,
    parameterBytes: 3000,
    instructions: 4,
    clippedValues: 5,
    countedValues: 200,
    gas: 20n,
    gasKind: "exact",
    gasReason: "",
    dims: {},
    measuredSamples: 2,
    layers: [
      layer("first", [value("a", { error: error(61.25) })]),
      layer("second", [value("b", { error: error(12.5), lostDb: 48.75, clipped: 5 })]),
      layer("third", [value("y", { error: error(33), lostDb: -20.5, isOutput: true })]),
    ],
    ...more,
  };
}

/** The text of a page's elements, in order, without its style and script. */
function textOf(page: string): string {
  return page
    .replace(/<(style|script)>[^]*?<\/\1>/g, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");
}

describe("renderReport", () => {
  it("shows summary, worst layers first, and all layers in order", () => {
    const text = textOf(renderReport(report()));
    expect(text).toContain("module 12.3 kB 3.0 kB of parameters");
    expect(text).toContain("gas of a run 20 exact");
    expect(text).toContain("worst output 33.0 dB y");
    expect(text).toContain("clipped in calibration 2.5 % 5 values in 1 layer");
    const worst = text.slice(text.indexOf("Worst layers"), text.indexOf("Along the program"));
    const places = ["#2 second", "#3 third", "#1 first"].map((name) => worst.indexOf(name));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
    expect(worst).toMatch(/#2 second Conv 12\.5 48\.8 0\.125 6\.[23] %/);
    const all = text.slice(text.indexOf("In the order of the program"));
    expect(all).toMatch(/1 first .* 2 second .* 3 third Conv output 33\.0/);
    expect(all).toContain("−3 … 7.5");
    expect(all).toContain("zeros 25 %");
  });

  it("draws a mark for each measured layer and a bar for each cost", () => {
    const page = renderReport(report());
    expect(page.match(/class="dot /g)).toHaveLength(3);
    expect(page.match(/<circle class="dot bad"/g)).toHaveLength(1);
    expect(page.match(/<path class="dot fair"/g)).toHaveLength(1);
    expect(page.match(/class="bar gas"/g)).toHaveLength(3);
    expect(page.match(/class="bar bytes"/g)).toHaveLength(3);
    expect(page.match(/class="magnitude/g)).toHaveLength(6);
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g))
      expect(page).toContain(`id="${target!}"`);
  });

  it("marks magnitudes above the format's limit", () => {
    const clipped = value("a", { limits: [-4, 4] });
    const page = renderReport(report({ layers: [layer("first", [clipped])] }));
    // 4 to 8 lies outside, 2 to 4 inside.
    expect(page.match(/class="magnitude out"[^>]*><title>2\^2 to 2\^3: 15 values/g)).toHaveLength(
      1,
    );
    expect(page.match(/class="magnitude"/g)).toHaveLength(1);
  });

  it("loads nothing and runs no script but its own", () => {
    const page = renderReport(report());
    expect(page).not.toMatch(/https?:|\/\/[a-z]|url\(|@import|<link|<img|<iframe|\ssrc=/i);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).toContain(`<script>${SCRIPT}</script>`);
    expect(page).toMatch(/default-src 'none';.*script-src 'sha256-[A-Za-z0-9+/]{43}='/);
    expect(page).not.toMatch(/ on[a-z]+=/);
  });

  it("escapes every name of the model", () => {
    const evil = `</script><img src=x onerror=alert(1)>"' & \u202e\u0000`;
    const page = renderReport(
      report({
        name: evil,
        precision: evil,
        moduleId: evil,
        gas: undefined,
        gasKind: "unknown",
        gasReason: evil,
        dims: { [evil]: 3 },
        layers: [
          { ...layer(evil, [value(evil, { error: error(3), isOutput: true })]), operator: evil },
        ],
      }),
    );
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page.match(/<\/script/g)).toHaveLength(1);
    expect(page).not.toContain("<img");
    // eslint-disable-next-line no-control-regex -- they are what must not be there
    expect(page).not.toMatch(/[\u0000\u202e]/);
    expect(page).toContain("&lt;/script&gt;");
    // Every tag ends where it should: no stray bracket is left between them.
    const quotes = page.replace(/<(style|script)>[^]*?<\/\1>/g, "").replace(/<[^<>]*>/g, "");
    expect(quotes).not.toMatch(/[<>]/);
  });

  it("says how to get errors where none were measured", () => {
    const layers = [layer("first", [value("a")])];
    const page = renderReport(report({ measuredSamples: undefined, layers }));
    const text = textOf(page);
    expect(text).toContain("Errors were not measured: give --samples PATH...");
    expect(text).toContain("worst output – not measured");
    expect(text).not.toContain("lost here");
    expect(page).not.toContain('class="dot');
  });

  it("copes with models without reals, without layers, and with what is no number", () => {
    const none = report({ layers: [], gas: 0n, clippedValues: 0, countedValues: 0 });
    const integers = report({
      layers: [layer("shape", [], 0n)],
      countedValues: 0,
      clippedValues: 0,
    });
    const odd = report({
      layers: [
        layer("nan", [
          value("a", {
            error: { ...error(NaN), maxAbsError: NaN },
            range: undefined,
            magnitudes: [],
          }),
          value("b", { error: error(300), scale: [0, 0], limits: [-Infinity, Infinity] }),
          value("c", { error: error(-300), lostDb: NaN }),
        ]),
      ],
    });
    for (const page of [none, integers, odd].map(renderReport)) {
      expect(page.replace(SCRIPT, "")).not.toMatch(/NaN|undefined|Infinity/);
      expect(page).toContain("</html>");
    }
    expect(textOf(renderReport(odd))).toContain("−300.0");
  });

  it("warns of made-up samples, and names the sizes that the gas is for", () => {
    const text = textOf(renderReport(report({ madeUpSamples: true, dims: { batch: 8 } })));
    expect(text).toContain("No samples were given.");
    expect(text).toContain("calibrated on 3 made-up samples");
    expect(text).toContain("exact, for batch = 8");
  });

  it("gives the same page for the same report", () => {
    expect(renderReport(report())).toBe(renderReport(report()));
  });
});
