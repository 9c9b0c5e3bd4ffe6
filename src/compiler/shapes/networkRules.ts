import { goesOn } from "../controlFlow.js";
import { graphAttribute, subgraphs } from "../graph.js";
import type { Dim, ElementType, Shape, ValueInfo } from "../graph.js";
import { broadcastShapes } from "./dims.js";
import type { NodeView, ShapeRule } from "./nodeView.js";
import { transposedSize, windowCount } from "./windows.js";
import type { WindowAxis } from "./windows.js";

const UNKNOWN: ValueInfo = { elementType: undefined, shape: undefined };

/** The window of spatial axis `i` of a normalised convolution or pooling node. */
export function windowAxis(view: NodeView, i: number): WindowAxis {
  const pads = view.ints("pads") ?? [];
  return {
    kernel: view.ints("kernel_shape")?.[i] ?? 1,
    stride: view.ints("strides")?.[i] ?? 1,
    dilation: view.ints("dilations")?.[i] ?? 1,
    padBegin: pads[i] ?? 0,
    padEnd: pads[i + pads.length / 2] ?? 0,
  };
}

/** Spatial sizes of what a window slides over; refused when the window does not fit. */
function windowSizes(view: NodeView, input: readonly Dim[], ceil = false): Dim[] {
  return input.slice(2).map((size, i) => {
    const count = windowCount(size, windowAxis(view, i), ceil);
    if (typeof count === "number" && count < 1) {
      throw view.shapeError(`the window does not fit axis ${String(i + 2)}`);
    }
    return count;
  });
}

function conv(
  xInput: number,
  wInput: number,
  type: (view: NodeView) => ElementType | undefined,
): ShapeRule {
  return (view) => {
    const x = view.shape(xInput);
    const w = view.shape(wInput);
    const elementType = type(view);
    if (x === undefined || w === undefined || view.ints("kernel_shape") === undefined) {
      return [{ elementType, shape: undefined }];
    }
    if (x.length !== w.length || x.length < 3)
      throw view.shapeError("data and weights need one rank, 3 or more");
    const group = view.int("group", 1);
    const [, channels] = x;
    const [filters, perGroup] = w;
    if (
      typeof channels === "number" &&
      typeof perGroup === "number" &&
      channels !== perGroup * group
    ) {
      throw view.shapeError(
        `weights expect ${String(perGroup * group)} channels in ${String(group)} groups`,
      );
    }
    if (typeof filters === "number" && filters % group !== 0) {
      throw view.shapeError(
        `${String(filters)} filters do not divide into ${String(group)} groups`,
      );
    }
    if (view.ints("pads") === undefined) return [{ elementType, shape: undefined }]; // auto_pad, size unknown
    return [{ elementType, shape: [x[0] ?? 1, filters ?? 1, ...windowSizes(view, x)] }];
  };
}

const convTranspose: ShapeRule = (view) => {
  const x = view.shape(0);
  const w = view.shape(1);
  const elementType = view.elementType(0);
  if (x === undefined || w === undefined || view.ints("pads") === undefined) {
    return [{ elementType, shape: undefined }];
  }
  const perGroup = w[1];
  if (x.length !== w.length || x.length < 3 || typeof perGroup !== "number") {
    throw view.shapeError("data and weights need one rank, 3 or more");
  }
  if (typeof x[1] === "number" && typeof w[0] === "number" && x[1] !== w[0]) {
    throw view.shapeError(`weights expect ${String(w[0])} channels`);
  }
  const extra = view.ints("output_padding") ?? [];
  const sizes = x
    .slice(2)
    .map((size, i) => transposedSize(size, windowAxis(view, i), extra[i] ?? 0));
  return [{ elementType, shape: [x[0] ?? 1, perGroup * view.int("group", 1), ...sizes] }];
};

const pool: ShapeRule = (view) => {
  const x = view.shape(0);
  const elementType = view.elementType(0);
  if (x === undefined || view.ints("pads") === undefined) {
    return [
      { elementType, shape: undefined },
      { elementType: "int64", shape: undefined },
    ];
  }
  if (x.length !== (view.ints("kernel_shape")?.length ?? 0) + 2) {
    throw view.shapeError("kernel_shape does not have one entry a spatial axis");
  }
  const shape = [...x.slice(0, 2), ...windowSizes(view, x, view.int("ceil_mode", 0) === 1)];
  return [
    { elementType, shape },
    { elementType: "int64", shape },
  ];
};

const globalPool: ShapeRule = (view) => [
  {
    elementType: view.elementType(0),
    shape: view.shape(0)?.map((dim, i) => (i < 2 ? dim : 1)),
  },
];

function matmulShape(view: NodeView, aInput: number, bInput: number): Shape {
  const a = view.shape(aInput);
  const b = view.shape(bInput);
  if (a === undefined || b === undefined) return undefined;
  if (a.length === 0 || b.length === 0) throw view.shapeError("a scalar has no matrix product");
  const k = a.at(-1);
  const kOfB = b.length === 1 ? b[0] : b.at(-2);
  if (typeof k === "number" && typeof kOfB === "number" && k !== kOfB) {
    throw view.shapeError(`inner dimensions ${String(k)} and ${String(kOfB)} differ`);
  }
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
  if (batch === "mismatch") throw view.shapeError("batch dimensions do not broadcast");
  if (batch === undefined) return undefined;
  const rows = a.length === 1 ? [] : [a.at(-2) ?? 1];
  const columns = b.length === 1 ? [] : [b.at(-1) ?? 1];
  return [...batch, ...rows, ...columns];
}

const gemm: ShapeRule = (view) => {
  const a = view.shape(0);
  const b = view.shape(1);
  const elementType = view.elementType(0);
  if (a === undefined || b === undefined) return [{ elementType, shape: undefined }];
  if (a.length !== 2 || b.length !== 2) throw view.shapeError("operands must be matrices");
  const [m, k] = view.int("transA", 0) === 1 ? [a[1], a[0]] : [a[0], a[1]];
  const [kOfB, n] = view.int("transB", 0) === 1 ? [b[1], b[0]] : [b[0], b[1]];
  if (typeof k === "number" && typeof kOfB === "number" && k !== kOfB) {
    throw view.shapeError(`inner dimensions ${String(k)} and ${String(kOfB)} differ`);
  }
  return [{ elementType, shape: [m ?? 1, n ?? 1] }];
};

const linear: ShapeRule = (view) => [
  { elementType: view.elementType(0), shape: matmulShape(view, 0, 1) },
];

/** Axes are in the attribute, resolved; without it they are known only when running. */
const reduce: ShapeRule = (view) => {
  const axes = view.ints("axes");
  const x = view.shape(0);
  const elementType = view.elementType(0);
  if (x === undefined) return [{ elementType, shape: undefined }];
  if (axes === undefined) {
    const named = x.map((_, i) => `${view.node.outputs[0] ?? ""}_${String(i)}`);
    return [{ elementType, shape: view.int("keepdims", 1) === 1 ? named : undefined }];
  }
  return [{ elementType, shape: reducedShape(x, axes, view.int("keepdims", 1) === 1) }];
};

function reducedShape(x: readonly Dim[], axes: readonly number[], keep: boolean): Dim[] {
  if (keep) return x.map((dim, i) => (axes.includes(i) ? 1 : dim));
  return x.filter((_, i) => !axes.includes(i));
}

const arg: ShapeRule = (view) => {
  const x = view.shape(0);
  if (x === undefined) return [{ elementType: "int64", shape: undefined }];
  const shape = reducedShape(
    x,
    [view.axis(view.int("axis", 0), x.length)],
    view.int("keepdims", 1) === 1,
  );
  return [{ elementType: "int64", shape }];
};

const topK: ShapeRule = (view) => {
  const k = view.node.attributes.has("k") ? view.int("k", 1) : undefined;
  const x = view.shape(0);
  const axis = x === undefined ? 0 : view.axis(view.int("axis", -1), x.length);
  const stated = view.contents(1)?.[0];
  const name = view.node.outputs.find((output) => output !== "") ?? "";
  const size: Dim = k ?? stated ?? `${name}_${String(axis)}`;
  const shape = x?.map((dim, i) => (i === axis ? size : dim));
  return [
    { elementType: view.elementType(0), shape },
    { elementType: "int64", shape },
  ];
};

/** LSTM, GRU and RNN: X [seq, batch, in], W [directions, gates·hidden, in]. */
const recurrent: ShapeRule = (view) => {
  const x = view.shape(0);
  const elementType = view.elementType(0);
  const r = view.shape(2);
  const hidden = r?.[2];
  if (x?.length !== 3 || r?.length !== 3 || hidden === undefined) {
    const unknown = { elementType, shape: undefined };
    return [unknown, unknown, unknown];
  }
  const directions = view.string("direction", "forward") === "bidirectional" ? 2 : 1;
  const batchFirst = view.int("layout", 0) === 1;
  const [a = 1, b = 1] = x;
  const [seq, batch] = batchFirst ? [b, a] : [a, b];
  const all = batchFirst ? [batch, seq, directions, hidden] : [seq, directions, batch, hidden];
  const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  return [
    { elementType, shape: all },
    { elementType, shape: last },
    { elementType, shape: last },
  ];
};

const layerNormalization: ShapeRule = (view) => {
  const x = view.shape(0);
  const elementType = view.elementType(0);
  const axis = x === undefined ? 0 : view.axis(view.int("axis", -1), x.length);
  const statistics = { elementType, shape: x?.map((dim, i) => (i < axis ? dim : 1)) };
  return [{ elementType, shape: x }, statistics, statistics];
};

/** Both branches must give one type; where their shapes differ, a dimension is not known. */
const conditional: ShapeRule = (view) => {
  const bodies = subgraphs(view.node);
  return view.node.outputs.map((_, i): ValueInfo => {
    const results = bodies.map((body) => body.values.get(body.outputs[i] ?? "") ?? UNKNOWN);
    const [first = UNKNOWN] = results;
    const rank = first.shape?.length;
    if (rank === undefined || results.some((r) => r.shape?.length !== rank)) {
      return { elementType: first.elementType, shape: undefined };
    }
    const shape = first.shape?.map((dim, axis) =>
      results.every((r) => r.shape?.[axis] === dim)
        ? dim
        : `${view.node.outputs[i] ?? ""}_${String(axis)}`,
    );
    return { elementType: first.elementType, shape };
  });
};

/** What a loop carries has the shape that holds in all rounds; what it stacks, one axis more. */
const loop: ShapeRule = (view) => {
  const body = graphAttribute(view.node, "body");
  const trips = view.contents(0)?.[0];
  const carried = view.node.inputs.length - 2;
  // A condition may end the loop before its time.
  const whole = body !== undefined && goesOn(body) && (!view.has(1) || view.numbers(1)?.[0] === 1);
  return view.node.outputs.map((name, i): ValueInfo => {
    if (i < carried) return body?.values.get(body.inputs[2 + i] ?? "") ?? UNKNOWN;
    const { elementType, shape } = body?.values.get(body.outputs[1 + i] ?? "") ?? UNKNOWN;
    const rows = (whole ? trips : undefined) ?? `${name}_0`;
    return { elementType, shape: shape === undefined ? undefined : [rows, ...shape] };
  });
};

const REDUCTIONS =
  "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare";

export const NETWORK_RULES: Readonly<Record<string, ShapeRule>> = {
  Conv: conv(0, 1, (view) => view.elementType(0)),
  ConvInteger: conv(0, 1, () => "int32"),
  QLinearConv: conv(0, 3, (view) => view.elementType(7)),
  ConvTranspose: convTranspose,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  MatMul: linear,
  "aivm.Linear": linear,
  MatMulInteger: (view) => [{ elementType: "int32", shape: matmulShape(view, 0, 1) }],
  QLinearMatMul: (view) => [{ elementType: view.elementType(7), shape: matmulShape(view, 0, 3) }],
  Gemm: gemm,
  BatchNormalization: (view) => [{ elementType: view.elementType(0), shape: view.shape(0) }],
  LayerNormalization: layerNormalization,
  ...Object.fromEntries(REDUCTIONS.split(" ").map((name) => [name, reduce])),
  Det: (view) => [{ elementType: view.elementType(0), shape: view.shape(0)?.slice(0, -2) }],
  ArgMax: arg,
  ArgMin: arg,
  TopK: topK,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  If: conditional,
  Loop: loop,
};
