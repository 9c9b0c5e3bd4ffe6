/** Fourier transforms as products with constant matrices, and the constants that go with them. */
import { functions, pow } from "../elementary.js";
import { attribute, int64Vector, isFloat } from "../graph.js";
import type { ConstantTensor, Dim, ElementType } from "../graph.js";
import { elementTypeOf } from "../onnx/tensor.js";
import { addDims, ceilDivideDim } from "../shapes/dims.js";
import type { NodeView } from "../shapes/nodeView.js";
import { Expansion } from "./expansion.js";
import type { Normaliser } from "./normaliser.js";

const TAU = 2 * Math.PI;
/** Elements of a transform's matrix: beyond, a module would be mostly cosines. */
const MOST_WEIGHTS = 1 << 24;

interface Transform {
  /** Samples that come in; those from `length` on do not take part. */
  readonly samples: number;
  /** 1 for real samples, 2 for complex ones. */
  readonly parts: number;
  /** Points of the transform. */
  readonly length: number;
  readonly bins: number;
  readonly inverse: boolean;
  readonly window?: readonly number[] | undefined;
}

/** The matrix [samples · parts, bins · 2] of a transform. */
function transformMatrix(view: NodeView, t: Transform): ConstantTensor {
  const { samples, parts, length, bins, inverse, window } = t;
  const columns = bins * 2;
  if (samples * parts * columns > MOST_WEIGHTS) {
    throw view.error(
      "UnsupportedShape",
      `a transform of ${String(samples)} samples to ${String(bins)} bins is too large to be a matrix; split it`,
    );
  }
  const cos = Array.from({ length }, (_, k) => functions.Cos((TAU * k) / length));
  const sin = Array.from({ length }, (_, k) => functions.Sin((TAU * k) / length));
  const data = new Float64Array(samples * parts * columns);
  for (let n = 0; n < Math.min(samples, length); n++) {
    const weight = (window?.[n] ?? 1) / (inverse ? length : 1);
    for (let k = 0; k < bins; k++) {
      const at = (n * k) % length;
      // x·e^(∓iθ): the sign of the sine is that of the direction.
      const [c, s] = [cos[at]! * weight, (inverse ? -sin[at]! : sin[at]!) * weight];
      const real = n * parts * columns + 2 * k;
      data[real] = c;
      data[real + 1] = -s;
      if (parts === 1) continue;
      data[real + columns] = s;
      data[real + columns + 1] = c;
    }
  }
  return {
    elementType: view.elementType(0) ?? "float32",
    dims: [samples * parts, columns],
    data,
  };
}

const dft: Normaliser = (view) => {
  const shape = view.shape(0);
  if (shape === undefined) return undefined;
  const rank = shape.length;
  const raw = view.opset < 20 ? view.int("axis", 1) : view.has(2) ? view.numbers(2)?.[0] : -2;
  if (raw === undefined) return undefined;
  const axis = view.axis(raw, rank);
  const [samples, parts] = [shape[axis], shape[rank - 1]];
  const given = view.has(1) ? view.numbers(1)?.[0] : samples;
  const declared = view.output(0).shape?.[axis];
  const oneSided = view.int("onesided", 0) === 1;
  const inverse = view.int("inverse", 0) === 1;
  // Without the length, the number of bins tells it where all of them are there.
  const length = given ?? (oneSided ? undefined : declared);
  if (typeof samples !== "number" || typeof length !== "number") return undefined;
  if (axis === rank - 1 || (parts !== 1 && parts !== 2) || length < 1)
    throw view.shapeError("needs real or complex samples, their parts along the last axis");
  if (oneSided && inverse)
    throw view.error("UnsupportedOperator", "an inverse transform of one side is not supported");
  const bins = oneSided ? Math.floor(length / 2) + 1 : length;
  const e = new Expansion(view);
  const others = shape.map((_, i) => i).filter((i) => i !== axis && i !== rank - 1);
  const perm = [...others, axis, rank - 1];
  const rest = others.map((i) => shape[i] ?? 1);
  const inOrder = perm.every((from, to) => from === to);
  const moved = inOrder ? view.name(0) : e.transpose(view.name(0), perm, shape);
  const rows = e.reshape(moved, [...rest, samples * parts]);
  const matrix = transformMatrix(view, { samples, parts, length, bins, inverse });
  const product = e.op("MatMul", [rows, e.constant("dft", matrix)], {}, [...rest, bins * 2]);
  const split = [...rest, bins, 2];
  const back = e.reshape(product, split);
  if (!inOrder) {
    const inverted = perm.map((_, to) => perm.indexOf(to));
    e.transpose(back, inverted, split);
  }
  return e.finish();
};

/** Where the elements of each frame are, [frames, length]. */
function frameIndices(
  e: Expansion,
  signal: string,
  frames: Dim,
  step: number,
  length: number,
): string {
  if (typeof frames === "number") {
    const at = Array.from({ length: frames * length }, (_, i) =>
      BigInt(Math.floor(i / length) * step + (i % length)),
    );
    const data = BigInt64Array.from(at);
    return e.constant("frames", { elementType: "int64", dims: [frames, length], data });
  }
  const number = (value: number): string =>
    e.constant("number", { ...int64Vector([value]), dims: [] });
  const part = { start: attribute.int(1), end: attribute.int(2) };
  const samples = e.reshape(e.op("Shape", [signal], part, [1], "int64"), [], "int64");
  const end = e.op("Sub", [samples, number(length - 1)], {}, [], "int64");
  const starts = e.op("Range", [number(0), end, number(step)], {}, [frames], "int64");
  const column = e.reshape(starts, [frames, 1], "int64");
  const within = e.int64(
    "within",
    Array.from({ length }, (_, i) => i),
  );
  return e.op("Add", [column, within], {}, [frames, length], "int64");
}

const stft: Normaliser = (view) => {
  const shape = view.shape(0);
  const step = view.numbers(1)?.[0];
  const window = view.numbers(2);
  const length = view.has(3) ? view.numbers(3)?.[0] : view.shape(2)?.[0];
  if (shape === undefined || step === undefined || typeof length !== "number") return undefined;
  const [batch = 1, samples, parts = 1] = shape;
  const fits = typeof samples === "string" || (samples !== undefined && length <= samples);
  if (step < 1 || length < 1 || samples === undefined || !fits || (parts !== 1 && parts !== 2))
    throw view.shapeError(
      `frames of ${String(length)} every ${String(step)} do not fit a signal [batch, length, 1 or 2]`,
    );
  const bins = view.int("onesided", 1) === 1 ? Math.floor(length / 2) + 1 : length;
  const frames = ceilDivideDim(addDims(samples, 1 - length), step);
  const e = new Expansion(view);
  const signal = shape.length === 3 ? view.name(0) : e.reshape(view.name(0), [batch, samples, 1]);
  const indices = frameIndices(e, signal, frames, step, length);
  const framed: Dim[] = [batch, frames, length, parts];
  let x = e.op("Gather", [signal, indices], { axis: attribute.int(1) }, framed);
  if (view.has(2) && window === undefined)
    x = e.op("Mul", [x, e.reshape(view.name(2), [length, 1])], {}, framed);
  const rows = e.reshape(x, [batch, frames, length * parts]);
  const matrix = transformMatrix(view, {
    samples: length,
    parts,
    length,
    bins,
    inverse: false,
    window,
  });
  const product = e.op("MatMul", [rows, e.constant("dft", matrix)], {}, [batch, frames, bins * 2]);
  e.reshape(product, [batch, frames, bins, 2]);
  return e.finish();
};

/** A float constant of the type that the node states. */
function constantResult(view: NodeView, dims: readonly number[], values: Float64Array) {
  const type = view.int("output_datatype", 1);
  const elementType: ElementType = elementTypeOf(type, view.node.name);
  if (!isFloat(elementType))
    throw view.error("UnsupportedType", `a result of ${elementType} is not supported`);
  const data = elementType === "float32" ? values.map(Math.fround) : values;
  const e = new Expansion(view);
  const made = e.constant("values", { elementType, dims, data });
  e.op("Identity", [made], {}, dims, elementType);
  return e.finish();
}

/** A sum of cosines: a0 − a1·cos θ + a2·cos 2θ. The size may be stated as the result's only. */
function cosineWindow(a0: number, a1: number, a2: number): Normaliser {
  return (view) => {
    const size = view.numbers(0)?.[0] ?? view.output(0).shape?.[0];
    if (typeof size !== "number" || size > MOST_WEIGHTS) return undefined;
    const period = view.int("periodic", 1) === 1 ? size : size - 1;
    const values = Float64Array.from({ length: Math.max(size, 0) }, (_, n) => {
      const angle = (TAU * n) / Math.max(period, 1);
      return a0 - a1 * functions.Cos(angle) + (a2 === 0 ? 0 : a2 * functions.Cos(2 * angle));
    });
    return constantResult(view, [values.length], values);
  };
}

const melWeightMatrix: Normaliser = (view) => {
  const declared = view.output(0).shape?.[1];
  const bands = view.numbers(0)?.[0] ?? declared;
  const [length, rate, low, high] = [1, 2, 3, 4].map((i) => view.numbers(i)?.[0]);
  if (typeof bands !== "number" || length === undefined || rate === undefined) return undefined;
  if (low === undefined || high === undefined) return undefined;
  const bins = Math.floor(length / 2) + 1;
  if (bands < 1 || bins < 1 || rate <= 0 || bins * bands > MOST_WEIGHTS)
    throw view.error("BadAttribute", "the numbers of bands and bins and the rate must be positive");
  const ln10 = functions.Log(10);
  const mel = (hertz: number): number => (2595 * functions.Log(1 + hertz / 700)) / ln10;
  const step = (mel(high) - mel(low)) / (bands + 2);
  const edges = Array.from({ length: bands + 2 }, (_, i) => {
    const hertz = 700 * (pow(10, (mel(low) + i * step) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const values = new Float64Array(bins * bands);
  for (let band = 0; band < bands; band++) {
    const [from, centre, to] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    const set = (bin: number, value: number): void => {
      if (bin >= 0 && bin < bins) values[bin * bands + band] = value;
    };
    if (centre === from) set(centre, 1);
    else for (let bin = from; bin <= centre; bin++) set(bin, (bin - from) / (centre - from));
    for (let bin = centre; bin < to; bin++) set(bin, (to - bin) / (to - centre));
  }
  return constantResult(view, [bins, bands], values);
};

export const SPECTRAL_EXPANSIONS: Readonly<Record<string, Normaliser>> = {
  BlackmanWindow: cosineWindow(0.42, 0.5, 0.08),
  DFT: dft,
  HammingWindow: cosineWindow(25 / 46, 21 / 46, 0),
  HannWindow: cosineWindow(0.5, 0.5, 0),
  MelWeightMatrix: melWeightMatrix,
  STFT: stft,
};
