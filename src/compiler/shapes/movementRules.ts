import type { Dim, ElementType, ValueInfo } from "../graph.js";
import { floatsAttribute, intAttribute, tensorAttribute } from "../graph.js";
import { commonType } from "./elementwiseRules.js";
import { elementTypeOf } from "../onnx/tensor.js";
import { addDims, ceilDivideDim, floorDivideDim, multiplyDims, subtractDims } from "./dims.js";
import type { NodeView, ShapeRule } from "./nodeView.js";

/** The result's shape is what normalisation wrote down, or what the model declares. */
const asDeclared: ShapeRule = (view) => [
  { elementType: view.elementType(0), shape: view.output(0).shape },
];

const transpose: ShapeRule = (view) => {
  const x = view.shape(0);
  const perm = view.ints("perm");
  if (x === undefined || perm === undefined) {
    return [{ elementType: view.elementType(0), shape: undefined }];
  }
  if (perm.length !== x.length || new Set(perm).size !== x.length || perm.some((p) => !(p in x))) {
    throw view.shapeError(`perm [${perm.join(", ")}] is no permutation of the axes`);
  }
  return [{ elementType: view.elementType(0), shape: perm.map((p) => x[p] ?? 1) }];
};

const slice: ShapeRule = (view) => {
  const x = view.shape(0);
  const [starts, ends, axes, steps] = ["starts", "ends", "axes", "steps"].map((n) => view.ints(n));
  const elementType = view.elementType(0);
  if (x === undefined) return [{ elementType, shape: undefined }];
  if (starts === undefined || ends === undefined || axes === undefined) {
    return [{ elementType, shape: x.map((_, i) => `${view.node.outputs[0] ?? ""}_${String(i)}`) }];
  }
  const shape = [...x];
  axes.forEach((axis, i) => {
    const size = slicedSize(x[axis] ?? 1, starts[i] ?? 0, ends[i] ?? 0, steps?.[i] ?? 1);
    shape[axis] = size ?? `${view.node.outputs[0] ?? ""}_${String(axis)}`;
  });
  return [{ elementType, shape }];
};

/** Ends that mean "to the end" on a symbolic axis: no real dimension comes near. */
const FAR = 1_000_000_000;

/** Undefined where the size is symbolic and its formula would need to clamp. */
function slicedSize(size: Dim, start: number, end: number, step: number): Dim | undefined {
  if (typeof size === "number") return Math.max(0, Math.ceil((end - start) / step));
  if (step !== 1) return undefined;
  if (start === -1 && end >= FAR) return 1;
  if (start >= 0 && end >= FAR) return addDims(size, -start);
  if (start >= 0 && end < 0) return addDims(size, end - start);
  return undefined;
}

const concat: ShapeRule = (view) => {
  const elementType = commonType(view);
  const shapes = view.node.inputs.map((_, i) => view.shape(i));
  const known = shapes.find((shape) => shape !== undefined);
  if (known === undefined || shapes.includes(undefined)) return [{ elementType, shape: undefined }];
  const axis = view.axis(view.int("axis", 0), known.length);
  const result = [...known];
  let total: Dim = 0;
  for (const shape of shapes) {
    if (shape?.length !== known.length) throw view.shapeError("ranks differ");
    shape.forEach((dim, i) => {
      const other = result[i];
      if (i === axis || dim === other) return;
      if (typeof dim === "number" && typeof other === "number") {
        throw view.shapeError(`sizes of axis ${String(i)} differ`);
      }
      if (typeof dim === "number") result[i] = dim;
    });
    total = addDims(total, shape[axis] ?? 1);
  }
  result[axis] = total;
  return [{ elementType, shape: result }];
};

const split: ShapeRule = (view) => {
  const x = view.shape(0);
  const sizes = view.ints("split");
  const axis = x === undefined ? 0 : view.axis(view.int("axis", 0), x.length);
  return view.node.outputs.map((name, part) => ({
    elementType: view.elementType(0),
    shape: x?.map((dim, i) => (i === axis ? (sizes?.[part] ?? `${name}_${String(i)}`) : dim)),
  }));
};

const gather: ShapeRule = (view) => {
  const x = view.shape(0);
  const indices = view.shape(1);
  const elementType = view.elementType(0);
  if (x === undefined || indices === undefined) return [{ elementType, shape: undefined }];
  const axis = view.axis(view.int("axis", 0), x.length);
  return [{ elementType, shape: [...x.slice(0, axis), ...indices, ...x.slice(axis + 1)] }];
};

const gatherND: ShapeRule = (view) => {
  const x = view.shape(0);
  const indices = view.shape(1);
  const elementType = view.elementType(0);
  const depth = indices?.at(-1);
  if (x === undefined || indices === undefined || typeof depth !== "number") {
    return [{ elementType, shape: undefined }];
  }
  const tail = x.slice(view.int("batch_dims", 0) + depth);
  return [{ elementType, shape: [...indices.slice(0, -1), ...tail] }];
};

const pad: ShapeRule = (view) => {
  const x = view.shape(0);
  const pads = view.ints("pads");
  const elementType = view.elementType(0);
  if (x === undefined) return [{ elementType, shape: undefined }];
  const shape = x.map((dim, i) =>
    pads === undefined
      ? `${view.node.outputs[0] ?? ""}_${String(i)}`
      : addDims(dim, (pads[i] ?? 0) + (pads[i + x.length] ?? 0)),
  );
  return [{ elementType, shape }];
};

const tile: ShapeRule = (view) => {
  const repeats = view.ints("repeats");
  const shape =
    repeats === undefined
      ? undefined
      : view.shape(0)?.map((dim, i) => multiplyDims(dim, repeats[i] ?? 1));
  return [{ elementType: view.elementType(0), shape }];
};

function blocks(
  view: NodeView,
  channels: (c: number, b: number) => number,
  size: (s: Dim, b: number) => Dim,
): ValueInfo[] {
  const x = view.shape(0);
  const b = view.int("blocksize", 1);
  const elementType = view.elementType(0);
  if (x === undefined) return [{ elementType, shape: undefined }];
  const [n = 1, c = 1, h = 1, w = 1] = x;
  if (x.length !== 4 || typeof c !== "number")
    throw view.shapeError("needs [N, C, H, W] with C known");
  const outC = channels(c, b * b);
  if (!Number.isInteger(outC))
    throw view.shapeError(`${String(c)} channels do not divide by ${String(b * b)}`);
  return [{ elementType, shape: [n, outC, size(h, b), size(w, b)] }];
}

const oneHot: ShapeRule = (view) => {
  const indices = view.shape(0);
  const depth = view.numbers(1)?.[0];
  const elementType = view.elementType(2);
  if (indices === undefined) return [{ elementType, shape: undefined }];
  const axis = view.axis(view.int("axis", -1), indices.length + 1);
  const shape: Dim[] = [...indices];
  shape.splice(axis, 0, depth ?? `${view.node.outputs[0] ?? ""}_${String(axis)}`);
  return [{ elementType, shape }];
};

const nonZero: ShapeRule = (view) => {
  const rank = view.rank(0);
  const count = `${view.node.outputs[0] ?? ""}_1`;
  return [{ elementType: "int64", shape: rank === undefined ? undefined : [rank, count] }];
};

const constantOfShape: ShapeRule = (view) => {
  const elementType: ElementType = tensorAttribute(view.node, "value")?.elementType ?? "float32";
  return [{ elementType, shape: view.contents(0) }];
};

const range: ShapeRule = (view) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => view.numbers(i)?.[0] ?? view.contents(i)?.[0]);
  const elementType = view.elementType(0);
  if (typeof delta === "number" && start !== undefined && limit !== undefined) {
    const [from, to, by] = delta < 0 ? [limit, start, -delta] : [start, limit, delta];
    const known = typeof from === "number" && typeof to === "number";
    if (known) return [{ elementType, shape: [Math.max(0, Math.ceil((to - from) / by))] }];
    if (Number.isInteger(by))
      return [{ elementType, shape: [ceilDivideDim(subtractDims(to, from), by)] }];
  }
  return [{ elementType, shape: [`${view.node.outputs[0] ?? ""}_0`] }];
};

const resize: ShapeRule = (view) => {
  const declared = view.output(0).shape;
  const x = view.shape(0);
  const scales = floatsAttribute(view.node, "scales");
  const elementType = view.elementType(0);
  if (scales === undefined || x === undefined || declared !== undefined) {
    return [{ elementType, shape: declared }];
  }
  return [{ elementType, shape: x.map((_, i) => `${view.node.outputs[0] ?? ""}_${String(i)}`) }];
};

/** The dimensions that a Shape node gives. */
export function shapePart(view: NodeView): readonly Dim[] | undefined {
  return view.shape(0)?.slice(view.int("start", 0), intAttribute(view.node, "end"));
}

export const MOVEMENT_RULES: Readonly<Record<string, ShapeRule>> = {
  Reshape: asDeclared,
  Flatten: asDeclared,
  Squeeze: asDeclared,
  Unsqueeze: asDeclared,
  Resize: resize,
  Expand: asDeclared,
  Transpose: transpose,
  Slice: slice,
  Split: split,
  Concat: concat,
  Gather: gather,
  GatherElements: (view) => [{ elementType: view.elementType(0), shape: view.shape(1) }],
  GatherND: gatherND,
  Pad: pad,
  Tile: tile,
  DepthToSpace: (view) => blocks(view, (c, bb) => c / bb, multiplyDims),
  SpaceToDepth: (view) =>
    blocks(
      view,
      (c, bb) => c * bb,
      (s, b) => (typeof s === "number" ? s / b : floorDivideDim(s, b)),
    ),
  OneHot: oneHot,
  NonZero: nonZero,
  ConstantOfShape: constantOfShape,
  EyeLike: (view) => {
    const type = view.int("dtype", 0);
    const elementType = type === 0 ? view.elementType(0) : elementTypeOf(type, view.node.name);
    return [{ elementType, shape: view.shape(0) }];
  },
  Range: range,
  Shape: (view) => {
    const part = shapePart(view);
    return [{ elementType: "int64", shape: part === undefined ? undefined : [part.length] }];
  },
  Size: () => [{ elementType: "int64", shape: [] }],
};
