import { EXACT_DB } from "./markup.js";
import type {
  CompilationReport,
  LayerReport,
  ValueReport,
} from "../../analysis/report/compilationReport.js";

/** A layer with what one row of a table or one mark of a plot says of it. */
export interface LayerRow {
  /** Where it stands in the program, from 1. */
  readonly position: number;
  readonly layer: LayerReport;
  /** Of its values the one with the worst measured error, else the first. */
  readonly value: ValueReport | undefined;
  /** NaN where it was not measured. */
  readonly sqnrDb: number;
  /** Values of calibration outside their formats, over all of the layer's. */
  readonly clipped: number;
  readonly seen: number;
}

export function layerRows({ layers }: CompilationReport): LayerRow[] {
  return layers.map((layer, i) => {
    const measured = layer.values.filter((value) => !Number.isNaN(value.error?.sqnrDb ?? NaN));
    const value = measured.reduce<ValueReport | undefined>(
      (worst, next) =>
        worst === undefined || next.error!.sqnrDb < worst.error!.sqnrDb ? next : worst,
      undefined,
    );
    return {
      position: i + 1,
      layer,
      value: value ?? layer.values[0],
      sqnrDb: value?.error?.sqnrDb ?? NaN,
      clipped: layer.values.reduce((sum, { clipped }) => sum + clipped, 0),
      seen: layer.values.reduce((sum, { count }) => sum + count, 0),
    };
  });
}

/** The measured ones that are off at all, worst first. */
export function worstFirst(rows: readonly LayerRow[]): LayerRow[] {
  return rows
    .filter(({ sqnrDb }) => !Number.isNaN(sqnrDb) && sqnrDb < EXACT_DB)
    .sort((a, b) => a.sqnrDb - b.sqnrDb);
}

/** What colour goes with an error; the number says the same. */
export function grade(db: number): "bad" | "fair" | "good" | "none" {
  if (Number.isNaN(db)) return "none";
  if (db < BAD_DB) return "bad";
  return db < FAIR_DB ? "fair" : "good";
}

export const BAD_DB = 20;
export const FAIR_DB = 35;
