import type { Refusal } from "../listUnsupported.js";

/** Refuses a node of which some of these inputs have dimensions that are only known when running. */
export function wantsSizes(...inputs: readonly number[]): Refusal {
  return (graph, node) => {
    const open = new Set<string>();
    for (const i of inputs) {
      for (const dim of graph.values.get(node.inputs[i] ?? "")?.shape ?? []) {
        if (typeof dim === "string") for (const name of namesIn(dim)) open.add(name);
      }
    }
    if (open.size === 0) return undefined;
    const names = [...open];
    const pins = names.map((name) => `--dim ${name}=N`).join(" ");
    return `over ${names.map((name) => `"${name}"`).join(" and ")}, whose size it needs when compiling (pin it: ${pins})`;
  };
}

/** The dimensions of the model that a size follows from: in brackets where it is computed. */
function namesIn(dim: string): readonly string[] {
  const names = [...dim.matchAll(/\[([^\]]*)\]/g)].map(([, name]) => name!);
  return names.length === 0 ? [dim] : names;
}
