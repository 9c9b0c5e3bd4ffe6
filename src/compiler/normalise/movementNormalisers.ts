import { attribute } from "../graph.js";
import type { Dim, GraphNode, Shape } from "../graph.js";
import { broadcastShapes, divideDims, productOfDims } from "../shapes/dims.js";
import { MAX_RANK } from "../shapes/nodeView.js";
import type { NodeView } from "../shapes/nodeView.js";
import { openPad, openSlice, openSplit, splitByData } from "./openMovement.js";
import {
  addedNode,
  become,
  becomeReshape,
  declareOutput,
  keepInputs,
  setInt,
  setInts,
} from "./normaliser.js";
import type { Normaliser } from "./normaliser.js";

/** A parameter that is an attribute in old operator sets and input `i` in new ones. */
function parameter(view: NodeView, name: string, i: number): number[] | undefined {
  return view.ints(name) ?? view.numbers(i);
}

/**
 * Of a target shape (input 1) that is known only when running, the length still tells the rank:
 * the dimensions get names.
 */
function declareRank(view: NodeView, least: number | undefined): void {
  const length = view.shape(1)?.[0];
  if (typeof length !== "number" || least === undefined || length > MAX_RANK) return;
  if (view.output(0).shape !== undefined) return;
  const output = view.node.outputs[0] ?? "";
  const rank = Math.max(length, least);
  declareOutput(
    view,
    Array.from({ length: rank }, (_, i) => `${output}_${String(i)}`),
  );
}

/** Likewise of the target of an Expand; what is more than 1 already stays. */
function declareBroadcast(view: NodeView): void {
  const shape = view.shape(0);
  declareRank(view, shape?.length);
  const declared = view.output(0).shape;
  if (declared === undefined || shape === undefined) return;
  const lead = declared.length - shape.length;
  declareOutput(
    view,
    declared.map((dim, i) => {
      const own = shape[i - lead];
      return typeof own === "number" && own !== 1 ? own : dim;
    }),
  );
}

const reshape: Normaliser = (view) => {
  const target: readonly Dim[] | undefined = view.ints("shape") ?? view.contents(1);
  const from = view.shape(0);
  if (target === undefined) {
    declareRank(view, 0);
    return undefined;
  }
  const zeroCopies = view.int("allowzero", 0) === 0;
  const shape = target.map((dim, i): Dim => {
    if (dim !== 0 || !zeroCopies) return dim;
    const copied = from?.[i];
    if (copied === undefined && from !== undefined) {
      throw view.shapeError(
        `target [${target.join(", ")}] copies axis ${String(i)}, which is not there`,
      );
    }
    return copied ?? `${view.node.outputs[0] ?? ""}_${String(i)}`;
  });
  const open = shape.indexOf(-1);
  if (shape.indexOf(-1, open + 1) > open && open >= 0) {
    throw view.shapeError(`target [${target.join(", ")}] leaves two axes open`);
  }
  if (from === undefined) {
    if (open >= 0) shape[open] = `${view.node.outputs[0] ?? ""}_${String(open)}`;
  } else if (open >= 0) {
    shape[open] = quotient(
      view,
      from,
      shape.filter((_, i) => i !== open),
      open,
    );
  } else {
    const [a, b] = [productOfDims(from), productOfDims(shape)];
    if (typeof a === "number" && typeof b === "number" && a !== b) {
      throw view.shapeError(
        `target [${target.join(", ")}] has ${String(b)} elements instead of ${String(a)}`,
      );
    }
  }
  becomeReshape(view, shape);
  return undefined;
};

/** The open axis of a Reshape: all elements over those of the other axes. */
function quotient(view: NodeView, from: readonly Dim[], others: readonly Dim[], axis: number): Dim {
  const top = productOfDims(from);
  const bottom = productOfDims(others);
  if (top === 0) return 0;
  if (typeof top === "number" && typeof bottom === "number" && top % bottom !== 0) {
    throw view.shapeError(`${String(top)} elements do not divide into rows of ${String(bottom)}`);
  }
  return divideDims(top, bottom) ?? `${view.node.outputs[0] ?? ""}_${String(axis)}`;
}

const flatten: Normaliser = (view) => {
  const shape = view.shape(0);
  if (shape === undefined) return undefined;
  const axis = view.int("axis", 1);
  const at = axis === shape.length ? axis : view.axis(axis, Math.max(1, shape.length));
  becomeReshape(view, [productOfDims(shape.slice(0, at)), productOfDims(shape.slice(at))]);
  return undefined;
};

const squeeze: Normaliser = (view) => {
  const shape = view.shape(0);
  const given = parameter(view, "axes", 1);
  if (shape === undefined || (given === undefined && view.has(1))) return undefined;
  const axes = given?.map((axis) => view.axis(axis, shape.length));
  // An open dimension of the model's inputs is more than 1; of one that we named nobody knows.
  if (axes === undefined && shape.some((dim) => isInvented(view, dim))) return undefined;
  const kept = shape.filter((dim, i) => {
    const drop = axes === undefined ? dim === 1 : axes.includes(i);
    if (drop && typeof dim === "number" && dim !== 1) {
      throw view.shapeError(`axis ${String(i)} has size ${String(dim)}, not 1`);
    }
    return !drop;
  });
  becomeReshape(view, kept);
  return undefined;
};

/** Whether a dimension has the name of a value's axis, as inference names what it cannot know. */
function isInvented(view: NodeView, dim: Dim): boolean {
  if (typeof dim === "number") return false;
  const base = /^(.*)_\d+$/.exec(dim)?.[1] ?? "";
  return view.scope.graph.values.has(base) && !view.scope.graph.inputs.includes(base);
}

const unsqueeze: Normaliser = (view) => {
  const shape = view.shape(0);
  const given = parameter(view, "axes", 1);
  if (shape === undefined || given === undefined) return undefined;
  const rank = shape.length + given.length;
  const axes = new Set(given.map((axis) => view.axis(axis, rank)));
  const rest = [...shape];
  becomeReshape(
    view,
    Array.from({ length: rank }, (_, i) => (axes.has(i) ? 1 : (rest.shift() ?? 1))),
  );
  return undefined;
};

const expand: Normaliser = (view) => {
  const target = view.contents(1);
  const shape = view.shape(0);
  if (target === undefined) declareBroadcast(view);
  if (target === undefined || shape === undefined) return undefined;
  const result = broadcastShapes([shape, target]);
  if (result === "mismatch") throw view.shapeError(`cannot expand to [${target.join(", ")}]`);
  const unchanged = result?.length === shape.length && result.every((dim, i) => dim === shape[i]);
  become(view.node, unchanged ? "Identity" : "Expand");
  declareOutput(view, result);
  return undefined;
};

const transpose: Normaliser = (view) => {
  const rank = view.rank(0);
  if (rank === undefined) return undefined;
  const perm = view.ints("perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  setInts(view.node, "perm", perm);
  return undefined;
};

const TO_THE_END = Number.MAX_SAFE_INTEGER;
/** As in `Slice` exported by tf2onnx: no real dimension comes near. */
const FAR = 1_000_000_000;

const slice: Normaliser = (view) => {
  const shape = view.shape(0);
  const starts: readonly Dim[] | undefined = view.ints("starts") ?? view.contents(1);
  const ends: readonly Dim[] | undefined = view.ints("ends") ?? view.contents(2);
  const count = starts?.length ?? (view.has(1) ? view.shape(1)?.[0] : undefined);
  const each = typeof count === "number" ? Array.from({ length: count }, (_, i) => i) : undefined;
  const axes = view.ints("axes") ?? (view.has(3) ? view.numbers(3) : each);
  const steps = view.ints("steps") ?? (view.has(4) ? view.numbers(4) : each?.map(() => 1));
  if (shape === undefined || !axes) return undefined;
  const resolved = axes.map((axis) => view.axis(axis, shape.length));
  if (!steps) return openSlice(view, resolved, undefined);
  if (!starts || !ends) return openSlice(view, resolved, steps);
  const kept: [axis: number, start: number, end: number, step: number][] = [];
  for (const [i, axis] of resolved.entries()) {
    const dim = shape[axis] ?? 1;
    const step = steps[i] ?? 1;
    const start = starts[i] ?? 0;
    // An end that is the axis's own symbol means: to the end.
    const end = ends[i] === dim ? TO_THE_END : (ends[i] ?? TO_THE_END);
    if (typeof start === "string" || typeof end === "string")
      return openSlice(view, resolved, steps);
    if (step === 0) throw view.error("BadAttribute", "a step of 0");
    const inside = typeof dim === "number" ? clampSlice(start, end, step, dim) : [start, end];
    const [from = 0, to = 0] = inside;
    const whole = step === 1 && from === 0 && to >= (typeof dim === "number" ? dim : FAR);
    if (!whole) kept.push([axis, from, to, step]);
  }
  if (kept.length === 0) {
    become(view.node, "Identity");
    return undefined;
  }
  kept.sort(([a], [b]) => a - b);
  become(view.node, "Slice", {
    axes: attribute.ints(kept.map(([axis]) => axis)),
    starts: attribute.ints(kept.map(([, start]) => start)),
    ends: attribute.ints(kept.map(([, , end]) => end)),
    steps: attribute.ints(kept.map(([, , , step]) => step)),
  });
  return undefined;
};

/** Bounds counted from the front and inside the axis; −1 as the end of a falling slice is "before 0". */
export function clampSlice(
  start: number,
  end: number,
  step: number,
  dim: number,
): [number, number] {
  const clamp = (v: number, low: number, high: number): number =>
    Math.min(Math.max(v < 0 ? v + dim : v, low), high);
  if (step > 0) {
    const from = clamp(start, 0, dim);
    return [from, Math.max(from, clamp(end, 0, dim))];
  }
  const from = clamp(start, 0, dim - 1);
  return [from, Math.min(from, clamp(end, -1, dim - 1))];
}

/** One Slice for each part that is wanted. */
const split: Normaliser = (view) => {
  const { node } = view;
  const shape = view.shape(0);
  let sizes = parameter(view, "split", 1);
  if (shape === undefined) return undefined;
  const axis = view.axis(view.int("axis", 0), shape.length);
  const dim = shape[axis] ?? 1;
  if (sizes === undefined && view.has(1)) return splitByData(view, axis);
  if (typeof dim === "string" && sizes === undefined)
    return openSplit(view, axis, view.int("num_outputs", node.outputs.length));
  if (typeof dim === "number" && sizes === undefined) {
    const parts = view.int("num_outputs", node.outputs.length);
    if (parts !== node.outputs.length) {
      throw view.error(
        "BadAttribute",
        `num_outputs is ${String(parts)}, it has ${String(node.outputs.length)}`,
      );
    }
    const size = Math.ceil(dim / parts);
    sizes = Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(size, dim - i * size)));
  }
  sizes ??= [];
  const total = sizes.reduce((a, b) => a + b, 0);
  if (typeof dim === "number" && total !== dim) {
    throw view.shapeError(`parts [${sizes.join(", ")}] do not add up to ${String(dim)}`);
  }
  const nodes: GraphNode[] = [];
  let start = 0;
  for (const [part, size] of sizes.entries()) {
    const output = node.outputs[part] ?? "";
    if (output !== "") {
      nodes.push({
        name: `${node.name}#${String(part)}`,
        opType: "Slice",
        domain: "",
        inputs: [view.name(0)],
        outputs: [output],
        attributes: new Map(
          Object.entries({
            axes: attribute.ints([axis]),
            starts: attribute.ints([start]),
            ends: attribute.ints([start + size]),
            steps: attribute.ints([1]),
          }),
        ),
      });
    }
    start += size;
  }
  return nodes;
};

function resolveAxis(view: NodeView, fallback: number, rank = view.rank(0)): void {
  if (rank !== undefined) setInt(view.node, "axis", view.axis(view.int("axis", fallback), rank));
}

const concat: Normaliser = (view) => {
  const ranks = view.node.inputs.map((_, i) => view.rank(i));
  if (view.node.inputs.length === 1) become(view.node, "Identity");
  else
    resolveAxis(
      view,
      1,
      ranks.find((r) => r !== undefined),
    ); // Operator sets 1 to 3 default to 1.
  return undefined;
};

const pad: Normaliser = (view) => {
  const given = view.ints("pads") ?? view.ints("paddings") ?? view.numbers(1);
  const rank = view.rank(0);
  const value = view.has(2) ? view.numbers(2)?.[0] : view.float("value", 0);
  const axes = view.has(3) ? view.numbers(3) : undefined;
  if (given === undefined && view.has(1)) return openPad(view);
  if (given === undefined || rank === undefined || value === undefined) return undefined;
  if (view.has(3) && axes === undefined) return undefined;
  const pads = new Array<number>(2 * rank).fill(0);
  const over =
    axes?.map((axis) => view.axis(axis, rank)) ?? Array.from({ length: rank }, (_, i) => i);
  if (given.length !== 2 * over.length) {
    throw view.shapeError(`pads [${given.join(", ")}] must be ${String(2 * over.length)} numbers`);
  }
  over.forEach((axis, i) => {
    pads[axis] = given[i] ?? 0;
    pads[axis + rank] = given[i + over.length] ?? 0;
  });
  const mode = view.string("mode", "constant");
  if (pads.every((p) => p === 0)) become(view.node, "Identity");
  else {
    become(view.node, "Pad", {
      pads: attribute.ints(pads),
      mode: attribute.string(mode),
      value: attribute.float(value),
    });
  }
  return undefined;
};

const constantOfShape: Normaliser = (view) => {
  if (!view.node.attributes.has("value")) {
    const zero = { elementType: "float32", dims: [1], data: new Float64Array(1) } as const;
    view.node.attributes.set("value", attribute.tensor(zero));
  }
  return undefined;
};

const withAxis =
  (fallback: number): Normaliser =>
  (view) => {
    resolveAxis(view, fallback);
    return undefined;
  };

const topK: Normaliser = (view) => {
  resolveAxis(view, -1);
  const k = view.numbers(1)?.[0];
  if (k !== undefined) {
    setInt(view.node, "k", k);
    keepInputs(view.node, 1);
  }
  return undefined;
};

/**
 * Before operator set 13, Softmax and its kin run over all axes from `axis` on together: a Reshape
 * to a matrix and back, unless that is one axis anyway.
 */
const softmax: Normaliser = (view) => {
  const { node } = view;
  const shape: Shape = view.shape(0);
  if (shape === undefined) return undefined;
  const rank = shape.length;
  const old = view.opset < 13;
  const axis = view.axis(view.int("axis", old ? 1 : -1), rank);
  setInt(node, "axis", axis);
  if (!old || shape.slice(axis + 1).every((dim) => dim === 1)) return undefined;
  const elementType = view.elementType(0);
  const matrix = [productOfDims(shape.slice(0, axis)), productOfDims(shape.slice(axis))];
  const before = addedNode(
    view,
    "matrix",
    "Reshape",
    [view.name(0)],
    {},
    { elementType, shape: matrix },
  );
  const inner = addedNode(
    view,
    "rows",
    node.opType,
    [before.outputs[0] ?? ""],
    { axis: attribute.int(1) },
    { elementType, shape: matrix },
  );
  const output = node.outputs[0] ?? "";
  const back: GraphNode = {
    name: `${node.name}#back`,
    opType: "Reshape",
    domain: "",
    inputs: [inner.outputs[0] ?? ""],
    outputs: [output],
    attributes: new Map(),
  };
  declareOutput(view, shape);
  return [before, inner, back];
};

export const MOVEMENT_NORMALISERS: Readonly<Record<string, Normaliser>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Expand: expand,
  Transpose: transpose,
  Slice: slice,
  Split: split,
  Concat: concat,
  Pad: pad,
  ConstantOfShape: constantOfShape,
  Gather: withAxis(0),
  GatherElements: withAxis(0),
  Scatter: withAxis(0),
  ScatterElements: withAxis(0),
  LayerNormalization: withAxis(-1),
  LpNormalization: withAxis(-1),
  TopK: topK,
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: softmax,
};
