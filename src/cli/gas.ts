/** Gas of entry points, estimated. */
import { entryShapes } from "../vm/entryShapes.js";
import type { Module } from "../module/module.js";
import type { GasEstimate } from "../vm/estimateGas.js";
import { grouped } from "./format.js";

/** An estimate in JSON form. */
export type EntryGas =
  | { readonly kind: "exact" | "upperBound"; readonly gas: string; readonly trap?: string }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * Gas of a run of each entry.
 * @param dims sizes of open dimensions, by name; an entry that has others is unknown
 */
export async function entryGas(
  module: Module,
  dims: Readonly<Record<string, number>>,
): Promise<EntryGas[]> {
  const { estimateGas } = await import("../vm/estimateGas.js");
  return module.configuration.entries.map(({ name }, i) => {
    const { shapes, open } = entryShapes(module, i, dims);
    if (open.length > 0) return { kind: "unknown", reason: `depends on ${open.join(", ")}` };
    return toJson(estimateGas(module, shapes, { entry: name }));
  });
}

function toJson(estimate: GasEstimate): EntryGas {
  return estimate.kind === "unknown" ? estimate : { ...estimate, gas: estimate.gas.toString() };
}

export function gasOf(estimates: readonly EntryGas[], entry: number): EntryGas {
  return estimates[entry] ?? { kind: "unknown", reason: "the module has no such entry" };
}

/** For people: `1,234 (exact)`. */
export function describeGas(estimate: EntryGas): string {
  if (estimate.kind === "unknown") return `unknown: ${estimate.reason}`;
  const trap = estimate.trap === undefined ? "" : `, every run traps: ${estimate.trap}`;
  return `${grouped(estimate.gas)} (${estimate.kind === "exact" ? "exact" : "at most"}${trap})`;
}
