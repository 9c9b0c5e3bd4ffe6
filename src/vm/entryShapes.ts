import type { Dimension, Module } from "../module/module.js";

/** Shapes of the inputs of an entry, by name, and the open dimensions that have no size yet. */
export interface EntryShapes {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly open: readonly string[];
}

/**
 * The shapes of a module's inputs.
 * @param entry index of the entry
 * @param dims sizes of open dimensions, by name
 */
export function entryShapes(
  { configuration: { dimensions, entries } }: Module,
  entry: number,
  dims: Readonly<Record<string, number>>,
): EntryShapes {
  const open = new Set<string>();
  const size = (dimension: Dimension): number => {
    if (typeof dimension === "number") return dimension;
    const name = dimensions[dimension.dimension]?.name ?? "";
    const value = Object.hasOwn(dims, name) ? dims[name] : undefined;
    if (value === undefined) open.add(name);
    const { multiplier, offset, divisor } = dimension;
    return Math.floor(((value ?? 0) * multiplier + offset) / divisor);
  };
  const inputs = entries[entry]?.inputs ?? [];
  const shapes = Object.fromEntries(inputs.map(({ name, shape }) => [name, shape.map(size)]));
  return { shapes, open: [...open] };
}
