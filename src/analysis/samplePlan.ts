/** What made-up samples must be like for a model to run on them. */
import type { ImportOptions } from "../compiler/importModel.js";
import { importModel } from "../compiler/importModel.js";
import type { Connections, ElementType, Graph, GraphNode } from "../compiler/graph.js";
import { connections, constantNumbers, intAttribute, isFloat } from "../compiler/graph.js";
import { CompileError } from "../core/errors.js";

/** Sizes and ranges under which made-up samples run through a model. */
export interface SamplePlan {
  /** Sizes for the open dimensions, by name; those that were given stay. */
  readonly dims: Readonly<Record<string, number>>;
  /** Least and greatest value of each integer input, by name. */
  readonly ranges: Readonly<Record<string, readonly [number, number]>>;
}

/** Sizes to try for open dimensions other than batches: windows and strides may want more than 8. */
const SIZES = [8, 16, 32, 64, 128, 224, 256, 512, 4, 2, 1];

/**
 * Chooses sizes under which the model's shapes fit, and ranges under which indices are inside
 * their tables. Batches (dimensions that only ever come first) are 1.
 *
 * @throws CompileError when the model cannot be imported under any size
 */
export function planSamples(model: Uint8Array, options: ImportOptions = {}): SamplePlan {
  const open = importModel(model, options);
  const names = openDims(open);
  let refused: unknown;
  for (const size of names.size === 0 ? [1] : SIZES) {
    const dims: Record<string, number> = { ...options.dims };
    for (const [name, isBatch] of names) dims[name] ??= isBatch ? 1 : size;
    try {
      const graph = importModel(model, { ...options, dims });
      return { dims, ranges: integerRanges(graph) };
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      refused ??= error;
    }
  }
  throw refused;
}

/** Names of the inputs' open dimensions, and whether each is a batch. */
function openDims(graph: Graph): Map<string, boolean> {
  const names = new Map<string, boolean>();
  for (const input of graph.inputs) {
    const shape = graph.values.get(input)?.shape ?? [];
    shape.forEach((dim, axis) => {
      if (typeof dim !== "string") return;
      const isBatch = axis === 0 && shape.length > 1;
      names.set(dim, isBatch && (names.get(dim) ?? true));
    });
  }
  return names;
}

function integerRanges(graph: Graph): Record<string, readonly [number, number]> {
  const wiring = connections(graph);
  const ranges: Record<string, readonly [number, number]> = {};
  for (const name of graph.inputs) {
    const type = graph.values.get(name)?.elementType;
    if (type === undefined || isFloat(type) || type === "bool" || type === "string") continue;
    const bound = indexBound(graph, wiring, name, new Set());
    if (bound !== undefined) ranges[name] = [0, Math.max(0, bound - 1)];
    else ranges[name] = holdsData(graph, wiring, name) ? (WHOLE[type] ?? [0, 1]) : [0, 1];
  }
  return ranges;
}

/** Types in which models take pictures and quantised data. */
const WHOLE: Readonly<Partial<Record<ElementType, readonly [number, number]>>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint4: [0, 15],
  int4: [-8, 7],
};

const DATA_READERS =
  /^(Cast|DequantizeLinear|QLinear\w+|ConvInteger|MatMulInteger|Conv|MaxPool|Resize)$/;

function holdsData(graph: Graph, { consumers }: Connections, name: string): boolean {
  return (consumers.get(name) ?? []).some(
    ({ opType, outputs }) =>
      DATA_READERS.test(opType) &&
      (opType !== "Cast" || isFloat(graph.values.get(outputs[0] ?? "")?.elementType)),
  );
}

/** Operators whose integers are those of their first inputs, moved at most. */
const MOVES =
  /^(Identity|Cast|Reshape|Flatten|Squeeze|Unsqueeze|Transpose|Expand|Slice|Concat|Tile|Split|Where|Pad)$/;

/** The least number of places that an integer value is used to count; undefined where it is no index. */
function indexBound(
  graph: Graph,
  wiring: Connections,
  name: string,
  seen: Set<string>,
): number | undefined {
  if (seen.has(name)) return undefined;
  seen.add(name);
  const bounds: number[] = [];
  for (const node of wiring.consumers.get(name) ?? []) {
    const own = boundBy(graph, node, node.inputs.indexOf(name));
    if (own !== undefined) bounds.push(own);
    if (!MOVES.test(node.opType)) continue;
    for (const output of node.outputs) {
      if (isFloat(graph.values.get(output)?.elementType)) continue;
      const further = indexBound(graph, wiring, output, seen);
      if (further !== undefined) bounds.push(further);
    }
  }
  return bounds.length === 0 ? undefined : Math.min(...bounds);
}

function boundBy(graph: Graph, node: GraphNode, input: number): number | undefined {
  const shapeOf = (i: number) => graph.values.get(node.inputs[i] ?? "")?.shape;
  const numeric = (dim: number | string | undefined): number | undefined =>
    typeof dim === "number" ? dim : undefined;
  const shape = shapeOf(0);
  switch (node.opType) {
    case "Gather":
    case "GatherElements":
    case "ScatterElements":
      return input === 1 ? numeric(shape?.at(intAttribute(node, "axis") ?? 0)) : undefined;
    case "GatherND":
    case "ScatterND": {
      const first = intAttribute(node, "batch_dims") ?? 0;
      const depth = shapeOf(1)?.at(-1);
      if (input !== 1 || typeof depth !== "number" || shape === undefined) return undefined;
      const sizes = shape.slice(first, first + depth).map((dim) => numeric(dim) ?? 1);
      return Math.min(...sizes);
    }
    case "OneHot": {
      const depth = graph.initializers.get(node.inputs[1] ?? "");
      return input === 0 && depth !== undefined ? constantNumbers(depth)[0] : undefined;
    }
    default:
      return undefined;
  }
}
