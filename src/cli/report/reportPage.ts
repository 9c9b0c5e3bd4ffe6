/** The page of `aivm compile --report FILE.html`. */
import type { LayersComparison } from "../../analysis/compareLayers.js";
import type { CompileOptions, CompileResult } from "../../compiler/compile.js";
import type { Graph } from "../../compiler/graph.js";
import { openMeasuring } from "../measuring.js";
import { startProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";

/** Samples that errors are measured on at most: all inner values are computed twice for each. */
const MAX_SAMPLES = 8;

export interface PageSource {
  readonly name: string;
  readonly model: Uint8Array;
  readonly graph: Graph;
  readonly options: CompileOptions;
  readonly result: CompileResult;
  /** Where the samples are; without any, no errors are measured. */
  readonly samples: readonly string[];
}

/** Measures the errors of the layers where there are samples, and renders the page. */
export async function reportPage(terminal: Terminal, source: PageSource): Promise<string> {
  const { compilationReport } = await import("../../analysis/report/compilationReport.js");
  const { renderReport } = await import("./page.js");
  const { name, graph, result, options } = source;
  const comparison = source.samples.length === 0 ? undefined : await measure(terminal, source);
  const { calibration } = options;
  return renderReport(compilationReport({ name, graph, calibration, result, comparison }));
}

async function measure(
  terminal: Terminal,
  { model, options, samples }: PageSource,
): Promise<LayersComparison> {
  const { compareLayers } = await import("../../analysis/compareLayers.js");
  const measuring = await openMeasuring(model, samples, options, MAX_SAMPLES);
  const progress = await startProgress(terminal, "measuring layers", measuring.count);
  try {
    return await compareLayers(model, measuring.samples, {
      ...options,
      instantiate: measuring.instantiate,
      onSample: progress.update,
    });
  } catch (error) {
    throw measuring.named(error);
  } finally {
    progress.stop();
    measuring.dispose();
  }
}
