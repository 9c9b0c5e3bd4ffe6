/** Which values regions read, of their own and of what is around them. */
import type { FixedNode, FixedRegion, FixedValue } from "./fixedGraph.js";

const captured = new WeakMap<FixedRegion, readonly FixedValue[]>();

/** The region that a value belongs to; undefined for the function and for constants. */
export function homeOf({ source }: FixedValue): FixedRegion | undefined {
  if (source.kind === "parameter") return source.region;
  return source.kind === "node" ? source.node.region : undefined;
}

/** Values, constants aside, that a region or one in it reads of what is around it; each once. */
export function capturedBy(region: FixedRegion): readonly FixedValue[] {
  const known = captured.get(region);
  if (known !== undefined) return known;
  const found = new Set<FixedValue>();
  for (const value of countUses(region, region.results).keys()) {
    const { kind } = value.source;
    if (kind !== "constant" && kind !== "scalar" && homeOf(value) !== region) found.add(value);
  }
  const values = [...found];
  captured.set(region, values);
  return values;
}

/**
 * How often each value is read in a region by instructions that run and as a result. What the
 * bodies of an instruction read from around them counts once for each body.
 */
export function countUses(
  region: FixedRegion | undefined,
  results: readonly FixedValue[],
): Map<FixedValue, number> {
  const uses = new Map<FixedValue, number>();
  const seen = new Set<FixedNode>();
  const pending: FixedValue[] = [...results];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    uses.set(value, (uses.get(value) ?? 0) + 1);
    if (value.source.kind !== "node") continue;
    const { node } = value.source;
    if (node.region !== region || seen.has(node)) continue;
    seen.add(node);
    pending.push(...node.operands);
    for (const body of node.bodies) pending.push(...capturedBy(body));
  }
  return uses;
}
