// The exact meaning of instructions beside the backend tests of ONNX, which somebody else wrote.
// Floats stand in as integers of the same order, so that movement and comparisons are exact.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeTensor } from "../../src/compiler/onnx/tensor.js";
import { decodeModel } from "../../src/compiler/onnx/wire.js";
import type { AttributeProto } from "../../src/compiler/onnx/schema.js";
import type { Dtype } from "../../src/core/dtype.js";
import { elementCount } from "../../src/core/shape.js";
import type { ExactValue } from "../../src/opcodes/evaluate.js";
import { evaluateExact } from "../../src/opcodes/evaluate.js";
import type { TensorOpName } from "../../src/opcodes/index.js";
import type { AnyImmediates } from "../../src/opcodes/record.js";
import { sharedData } from "../support/sharedData.js";

const suite = sharedData("onnx-backend-v1.17.0", "node");

const DTYPES: Readonly<Record<string, Dtype>> = {
  bool: "bool",
  uint8: "u8",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
};

/** An integer whose order is that of the float64 (0 and −0 are one). */
function orderKey(x: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, x === 0 ? 0 : x);
  const key = bits.getBigInt64(0);
  return key < 0n ? -(key & 0x7fffffffffffffffn) : key;
}

interface Loaded {
  readonly value: ExactValue;
  readonly floats: readonly number[];
}

function load(file: string): Loaded {
  const { tensor } = decodeTensor(readFileSync(file));
  const raw = Array.from(tensor.data as ArrayLike<number | bigint | boolean>, (v) => v);
  const dtype = DTYPES[tensor.elementType];
  if (dtype === undefined && !tensor.elementType.startsWith("float")) {
    throw new TypeError(`${file} holds ${tensor.elementType}, which AIVM does not have`);
  }
  const values =
    dtype === undefined ? raw.map((v) => orderKey(Number(v))) : raw.map((v) => BigInt(v));
  return { value: { dtype: dtype ?? "i64", shape: tensor.dims, values }, floats: raw.map(Number) };
}

interface Case {
  readonly inputs: readonly ExactValue[];
  /** Elements of each input as numbers. */
  readonly floats: readonly (readonly number[])[];
  readonly output: ExactValue;
  readonly outputFloats: readonly number[];
  readonly ints: (name: string, otherwise: readonly number[]) => readonly number[];
  readonly int: (name: string, otherwise: number) => number;
}

function open(test: string): Case {
  const folder = join(suite!, test);
  const { node, input } = decodeModel(readFileSync(join(folder, "model.onnx"))).graph!;
  const loaded = (input ?? []).map((_, i) =>
    load(join(folder, "test_data_set_0", `input_${i}.pb`)),
  );
  const output = load(join(folder, "test_data_set_0", "output_0.pb"));
  const attribute = (name: string): AttributeProto | undefined =>
    node![0]!.attribute?.find((a) => a.name === name);
  return {
    inputs: loaded.map(({ value }) => value),
    floats: loaded.map(({ floats }) => floats),
    output: output.value,
    outputFloats: output.floats,
    ints: (name, otherwise) => {
      const ints = attribute(name)?.ints;
      return ints === undefined ? otherwise : Array.from(ints, Number);
    },
    int: (name, otherwise) => Number(attribute(name)?.i ?? otherwise),
  };
}

const run = (op: TensorOpName, imm: AnyImmediates, ...operands: ExactValue[]): ExactValue =>
  evaluateExact(op, imm, operands)[0]!;
const numbers = (x: ExactValue | undefined): number[] | undefined => x?.values.map(Number);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** N,C,spatial… as N,spatial…,C and back. */
const toLast = (x: ExactValue): ExactValue =>
  run("transpose", { perm: [0, ...range(x.shape.length).slice(2), 1] }, x);
const toFirst = (x: ExactValue): ExactValue =>
  run("transpose", { perm: [0, x.shape.length - 1, ...range(x.shape.length).slice(1, -1)] }, x);
const integers = (x: ExactValue, floats: readonly number[], dtype: Dtype): ExactValue => ({
  dtype,
  shape: x.shape,
  values: floats.map(BigInt),
});

/** Spreads values given for some axes over all. */
function perAxis(
  rank: number,
  axes: readonly number[],
  given: readonly number[],
  rest: number,
): number[] {
  const all = new Array<number>(rank).fill(rest);
  axes.forEach((axis, i) => (all[axis < 0 ? axis + rank : axis] = given[i]!));
  return all;
}

const clip = (list: readonly number[]): number[] =>
  list.map((v) => Math.max(-0x80000000, Math.min(0x7fffffff, v)));

/** Each returns the result that must be the output. */
const ADAPTERS: Readonly<Record<string, (c: Case) => ExactValue>> = {
  slice: ({ inputs: [x, starts, ends, axes, steps] }) => {
    const rank = x!.shape.length;
    const given = numbers(axes) ?? range(starts!.values.length);
    const spread = (list: ExactValue | undefined, rest: number): number[] =>
      clip(perAxis(rank, given, numbers(list) ?? given.map(() => 1), rest));
    return run(
      "slice",
      { starts: spread(starts, 0), ends: spread(ends, 0x7fffffff), steps: spread(steps, 1) },
      x!,
    );
  },
  pad: ({ inputs: [x, pads, value, axes] }) => {
    const rank = x!.shape.length;
    const given = numbers(axes) ?? range(rank);
    const amounts = numbers(pads)!;
    const before = perAxis(rank, given, amounts.slice(0, given.length), 0);
    const after = perAxis(rank, given, amounts.slice(given.length), 0);
    return run(
      "pad",
      { before, after, interior: x!.shape.map(() => 0), value: value!.values[0]! },
      x!,
    );
  },
  transpose: ({ inputs: [x], ints }) =>
    run("transpose", { perm: ints("perm", range(x!.shape.length).reverse()) }, x!),
  concat: ({ inputs, int }) => {
    const axis = int("axis", 0);
    return run(
      "concat",
      { count: inputs.length, axis: axis < 0 ? axis + inputs[0]!.shape.length : axis },
      ...inputs,
    );
  },
  gather: ({ inputs: [x, indices], int }) => run("gather", { axis: int("axis", 0) }, x!, indices!),
  maxpool: ({ inputs: [x], ints }) => {
    const kernel = ints("kernel_shape", []);
    const ones = kernel.map(() => 1);
    const pads = ints(
      "pads",
      [...ones, ...ones].map(() => 0),
    );
    const imm = {
      kernel,
      strides: ints("strides", ones),
      dilations: ints("dilations", ones),
      pads,
    };
    return toFirst(run("pool.max", imm, toLast(x!)));
  },
  conv: ({ inputs: [x, w], floats: [a, b], outputFloats, output, ints }) => {
    const image = toLast(integers(x!, a!, "i16"));
    const spatial = image.shape.length - 2;
    const order = [...range(spatial).map((axis) => axis + 2), 1, 0];
    const kernel = run("transpose", { perm: order }, integers(w!, b!, "i16"));
    const ones = range(spatial).map(() => 1);
    const imm = {
      aBits: 16,
      bBits: 16,
      accumulator: "i64",
      strides: ints("strides", ones),
      dilations: ones,
      pads: ints(
        "pads",
        [...ones, ...ones].map(() => 0),
      ),
      groups: 1,
      padValue: 0n,
    };
    const y = toFirst(run("conv", imm, image, kernel));
    expect(y.shape).toEqual(output.shape);
    expect(y.values.map(Number)).toEqual(outputFloats);
    return output;
  },
  reduceMax: (c) => reduce("reduce.max", c),
  reduceMin: (c) => reduce("reduce.min", c),
  argmax: (c) => arg("argmax", c),
  argmin: (c) => arg("argmin", c),
  where: ({ inputs: [condition, a, b] }) => run("select", {}, condition!, a!, b!),
  eq: ({ inputs: [a, b] }) => run("eq", {}, a!, b!),
  lt: ({ inputs: [a, b] }) => run("lt", {}, a!, b!),
  le: ({ inputs: [a, b] }) => run("le", {}, a!, b!),
  and: ({ inputs: [a, b] }) => run("and", {}, a!, b!),
  or: ({ inputs: [a, b] }) => run("or", {}, a!, b!),
  xor: ({ inputs: [a, b] }) => run("xor", {}, a!, b!),
  not: ({ inputs: [x] }) => run("not", {}, x!),
  max: ({ inputs: [a, b] }) => run("max", {}, a!, b!),
  min: ({ inputs: [a, b] }) => run("min", {}, a!, b!),
  div: ({ inputs: [a, b] }) => run("div.trunc", {}, a!, b!),
  mod: ({ inputs: [a, b], int }) =>
    run(int("fmod", 0) === 1 ? "mod.trunc" : "mod.floor", {}, a!, b!),
  shr: ({ inputs: [a, b] }) => run("shr", {}, a!, b!),
};

/** Result of a reduction that keeps dimensions, without them where ONNX drops them. */
function keep({ int, output }: Case, y: ExactValue): ExactValue {
  return int("keepdims", 1) === 1 ? y : run("reshape", { dims: output.shape }, y);
}

function reduce(op: "reduce.max" | "reduce.min", c: Case): ExactValue {
  const [x, axes] = c.inputs;
  const rank = x!.shape.length;
  const given = (numbers(axes) ?? range(rank)).map((axis) => (axis < 0 ? axis + rank : axis));
  return keep(c, run(op, { axes: given.sort((a, b) => a - b) }, x!));
}

function arg(op: "argmax" | "argmin", c: Case): ExactValue {
  const [x] = c.inputs;
  const axis = c.int("axis", 0);
  const y = run(op, { axis: axis < 0 ? axis + x!.shape.length : axis }, x!);
  return run("cast", { dtype: "i64" }, keep(c, y));
}

const CASES: Readonly<Record<string, readonly string[]>> = {
  slice: [
    "slice",
    "slice_default_axes",
    "slice_default_steps",
    "slice_end_out_of_bounds",
    "slice_neg",
    "slice_neg_steps",
    "slice_negative_axes",
    "slice_start_out_of_bounds",
  ],
  pad: ["constant_pad", "constant_pad_axes", "constant_pad_negative_axes"],
  transpose: ["transpose_default", ...range(6).map((i) => `transpose_all_permutations_${i}`)],
  concat: [
    "concat_1d_axis_0",
    "concat_2d_axis_1",
    "concat_2d_axis_negative_2",
    "concat_3d_axis_2",
    "concat_3d_axis_negative_2",
  ],
  gather: ["gather_0", "gather_1", "gather_2d_indices"],
  maxpool: [
    "maxpool_1d_default",
    "maxpool_2d_default",
    "maxpool_2d_dilations",
    "maxpool_2d_pads",
    "maxpool_2d_precomputed_pads",
    "maxpool_2d_precomputed_strides",
    "maxpool_2d_strides",
    "maxpool_2d_uint8",
    "maxpool_3d_default",
    "maxpool_3d_dilations",
  ],
  conv: [
    "basic_conv_with_padding",
    "basic_conv_without_padding",
    "conv_with_strides_and_asymmetric_padding",
    "conv_with_strides_no_padding",
    "conv_with_strides_padding",
  ],
  reduceMax: [
    "reduce_max_bool_inputs",
    "reduce_max_default_axes_keepdims_random",
    "reduce_max_do_not_keepdims_random",
    "reduce_max_negative_axes_keepdims_random",
  ],
  reduceMin: [
    "reduce_min_bool_inputs",
    "reduce_min_default_axes_keepdims_random",
    "reduce_min_do_not_keepdims_random",
    "reduce_min_negative_axes_keepdims_random",
  ],
  argmax: [
    "argmax_default_axis_example",
    "argmax_keepdims_random",
    "argmax_negative_axis_keepdims_example",
    "argmax_no_keepdims_random",
  ],
  argmin: [
    "argmin_default_axis_example",
    "argmin_keepdims_random",
    "argmin_negative_axis_keepdims_example",
    "argmin_no_keepdims_random",
  ],
  where: ["where_example", "where_long_example"],
  eq: ["equal", "equal_bcast"],
  lt: ["less", "less_bcast"],
  le: ["less_equal", "less_equal_bcast"],
  and: ["bitwise_and_i16_3d", "bitwise_and_i32_2d", "bitwise_and_ui8_bcast_4v3d"],
  or: ["bitwise_or_i16_4d", "bitwise_or_i32_2d", "bitwise_or_ui8_bcast_4v3d"],
  xor: ["bitwise_xor_i16_3d", "bitwise_xor_i32_2d", "bitwise_xor_ui8_bcast_4v3d"],
  not: ["bitwise_not_2d"],
  max: ["max_int8", "max_int16", "max_int32", "max_int64", "max_uint8", "max_two_inputs"],
  min: ["min_int8", "min_int16", "min_int32", "min_int64", "min_uint8", "min_two_inputs"],
  div: ["div_uint8"],
  mod: [
    "mod_broadcast",
    "mod_int64_fmod",
    "mod_mixed_sign_int8",
    "mod_mixed_sign_int16",
    "mod_mixed_sign_int32",
    "mod_mixed_sign_int64",
    "mod_uint8",
  ],
  shr: ["bitshift_right_uint8"],
};

/** p, q and o of the input position (p·i + o) / q on both axes, worked out from each test's attributes. */
const RESIZES: readonly (readonly [
  string,
  "resize.nearest" | "resize.linear",
  number,
  number,
  number,
])[] = [
  // half_pixel, round_prefer_floor: ⌈(i + ½)/s − 1⌉, as ⌊(p·i + o)/q⌋
  ["resize_downsample_scales_nearest", "resize.nearest", 10, 4, 6],
  // align_corners, floor: ⌊i·(in − 1)/(out − 1)⌋
  ["resize_upsample_sizes_nearest_floor_align_corners", "resize.nearest", 3, 0, 7],
  // half_pixel: (i + ½)/s − ½
  ["resize_upsample_scales_linear", "resize.linear", 2, -1, 4],
  ["resize_downsample_scales_linear", "resize.linear", 10, 2, 6],
  // align_corners
  ["resize_upsample_scales_linear_align_corners", "resize.linear", 1, 0, 3],
];

describe.skipIf(suite === undefined)("the ONNX suite (../shared/data or AIVM_DATA)", () => {
  it.each(
    Object.entries(CASES).flatMap(([kind, tests]) => tests.map((test) => [test, kind] as const)),
  )("%s", (test, kind) => {
    const opened = open(`test_${test}`);
    expect(ADAPTERS[kind]!(opened)).toEqual(opened.output);
  });

  it.each(RESIZES)("%s", (test, op, p, o, q) => {
    const { inputs, floats, output, outputFloats } = open(`test_${test}`);
    const x = toLast(integers(inputs[0]!, floats[0]!, "i16"));
    const imm = {
      sizes: output.shape.slice(2),
      numerators: [p, p],
      denominators: [q, q],
      offsets: [o, o],
      ...(op === "resize.linear" ? { dtype: "i64" } : {}),
    };
    const y = toFirst(run(op, imm, x));
    expect(y.shape).toEqual(output.shape);
    expect(elementCount(y.shape)).toBeGreaterThan(0);
    const unit = op === "resize.linear" ? q * q : 1;
    y.values.forEach((value, i) => expect(Number(value) / unit).toBeCloseTo(outputFloats[i]!, 5));
  });
});
