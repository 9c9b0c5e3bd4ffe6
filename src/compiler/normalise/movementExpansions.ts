/** Operators that only move elements, in terms of Reshape, Transpose, Expand, Slice and Pad. */
import { attribute } from "../graph.js";
import type { Dim } from "../graph.js";
import { multiplyDims } from "../shapes/dims.js";
import type { NodeView } from "../shapes/nodeView.js";
import { Expansion } from "./expansion.js";
import { become } from "./normaliser.js";
import { openTile } from "./openMovement.js";
import type { Normaliser } from "./normaliser.js";

function fourAxes(view: NodeView): { n: Dim; c: number; h: Dim; w: Dim; b: number } | undefined {
  const shape = view.shape(0);
  if (shape === undefined) return undefined;
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  if (shape.length !== 4 || typeof c !== "number")
    throw view.shapeError("needs [N, C, H, W] with C known");
  const b = view.int("blocksize", 0);
  if (b < 1) throw view.error("BadAttribute", `blocksize ${String(b)} must be positive`);
  return { n, c, h, w, b };
}

const depthToSpace: Normaliser = (view) => {
  const axes = fourAxes(view);
  if (axes === undefined) return undefined;
  const { n, c, h, w, b } = axes;
  const left = c / (b * b);
  if (!Number.isInteger(left))
    throw view.shapeError(`${String(c)} channels do not divide by ${String(b * b)}`);
  const mode = view.string("mode", "DCR");
  if (mode !== "DCR" && mode !== "CRD")
    throw view.error("BadAttribute", `mode "${mode}" is neither DCR nor CRD`);
  const e = new Expansion(view);
  const split: Dim[] = mode === "DCR" ? [n, b, b, left, h, w] : [n, left, b, b, h, w];
  const perm = mode === "DCR" ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  const moved = e.transpose(e.reshape(view.name(0), split), perm, split);
  e.reshape(moved, [n, left, multiplyDims(h, b), multiplyDims(w, b)]);
  return e.finish();
};

const spaceToDepth: Normaliser = (view) => {
  const axes = fourAxes(view);
  if (axes === undefined) return undefined;
  const { n, c, h, w, b } = axes;
  if (typeof h !== "number" || typeof w !== "number") return undefined;
  if (h % b !== 0 || w % b !== 0)
    throw view.shapeError(`height and width do not divide by ${String(b)}`);
  const e = new Expansion(view);
  const split: Dim[] = [n, c, h / b, b, w / b, b];
  const moved = e.transpose(e.reshape(view.name(0), split), [0, 3, 5, 1, 2, 4], split);
  e.reshape(moved, [n, c * b * b, h / b, w / b]);
  return e.finish();
};

/** Each repeated axis: an axis of 1 in front of it, broadcast, then both as one. */
const tile: Normaliser = (view) => {
  const x = view.shape(0);
  const repeats: readonly Dim[] | undefined =
    view.ints("repeats") ?? view.contents(1) ?? declaredRepeats(view);
  if (repeats === undefined) return openTile(view);
  if (repeats.some((r) => typeof r === "number" && r < 0))
    throw view.error("BadAttribute", "repeats must not be negative");
  if (repeats.every((r) => r === 1)) {
    become(view.node, "Identity");
    return undefined;
  }
  if (x === undefined) {
    const numbers = repeats.filter((r) => typeof r === "number");
    if (numbers.length === repeats.length)
      become(view.node, "Tile", { repeats: attribute.ints(numbers) });
    return undefined;
  }
  if (repeats.length !== x.length)
    throw view.shapeError(`repeats [${repeats.join(", ")}] must be one number an axis`);
  const e = new Expansion(view);
  let at = view.name(0);
  const shape = [...x];
  repeats.forEach((times, axis) => {
    if (times === 1) return;
    const [before, after] = [shape.slice(0, axis), shape.slice(axis)];
    const wide = e.reshape(at, [...before, 1, ...after]);
    const copied = e.op("Expand", [wide], {}, [...before, times, ...after]);
    shape[axis] = multiplyDims(shape[axis] ?? 1, times);
    at = e.reshape(copied, shape);
  });
  return e.finish();
};

/** Repeats that are known only when running, but follow from sizes that the model states. */
function declaredRepeats(view: NodeView): number[] | undefined {
  const from = view.shape(0);
  const to = view.output(0).shape;
  if (from === undefined || to?.length !== from.length) return undefined;
  const repeats = from.map((dim, i) => {
    const size = to[i];
    return typeof dim === "number" && typeof size === "number" && dim > 0 ? size / dim : NaN;
  });
  return repeats.every((r) => Number.isInteger(r)) ? repeats : undefined;
}

/** Slice what is too long, pad what is too short, both around the middle. */
const centerCropPad: Normaliser = (view) => {
  const x = view.shape(0);
  if (x === undefined) return undefined;
  const axes = (view.ints("axes") ?? x.map((_, i) => i)).map((axis) => view.axis(axis, x.length));
  const declared = view.output(0).shape;
  const target = view.numbers(1) ?? axes.map((axis) => declared?.[axis]);
  if (target.length !== axes.length)
    throw view.shapeError(`the shape must be ${String(axes.length)} numbers`);
  const starts: number[] = [];
  const cut: number[] = [];
  const pads = new Array<number>(2 * x.length).fill(0);
  const sliced = [...x];
  for (const [i, axis] of axes.entries()) {
    const dim = x[axis];
    const size = target[i];
    if (typeof dim !== "number" || typeof size !== "number") return undefined;
    const missing = size - dim;
    if (missing < 0) {
      cut.push(axis);
      starts.push(Math.floor(-missing / 2));
      sliced[axis] = size;
    } else {
      pads[axis] = Math.floor(missing / 2);
      pads[axis + x.length] = missing - Math.floor(missing / 2);
    }
  }
  const e = new Expansion(view);
  let at = view.name(0);
  if (cut.length > 0) {
    const order = cut.map((_, i) => i).sort((a, b) => (cut[a] ?? 0) - (cut[b] ?? 0));
    const list = (f: (i: number) => number) => attribute.ints(order.map(f));
    const start = (i: number): number => starts[i] ?? 0;
    const bounds = {
      axes: list((i) => cut[i] ?? 0),
      starts: list(start),
      ends: list((i) => start(i) + Number(sliced[cut[i] ?? 0])),
      steps: list(() => 1),
    };
    at = e.op("Slice", [at], bounds, sliced);
  }
  if (pads.some((p) => p > 0)) {
    const attributes = {
      pads: attribute.ints(pads),
      mode: attribute.string("constant"),
      value: attribute.float(0),
    };
    const padded = sliced.map((dim, i) =>
      typeof dim === "number" ? dim + (pads[i] ?? 0) + (pads[i + x.length] ?? 0) : dim,
    );
    at = e.op("Pad", [at], attributes, padded);
  }
  if (at === view.name(0)) {
    become(view.node, "Identity");
    view.node.attributes.clear();
    return undefined;
  }
  return e.finish();
};

export const MOVEMENT_EXPANSIONS: Readonly<Record<string, Normaliser>> = {
  CenterCropPad: centerCropPad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Tile: tile,
};
