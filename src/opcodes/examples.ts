/**
 * One example an instruction, for the pages of `spec/`. Results are calculated by hand; the tests
 * hold the records to them.
 */
import type { Dtype } from "../core/dtype.js";
import type { Shape } from "../core/shape.js";
import type { ExactValue } from "./evaluate.js";
import type { InstructionOf, MachineOpName, TensorOpName } from "./index.js";

export interface Example<I> {
  readonly imm: I;
  readonly operands: readonly ExactValue[];
  readonly results: readonly ExactValue[];
}

function tensor(dtype: Dtype, shape: Shape, values: readonly number[]): ExactValue {
  return { dtype, shape, values: values.map(BigInt) };
}
const vector = (dtype: Dtype, ...values: number[]): ExactValue =>
  tensor(dtype, [values.length], values);
const filled = (dtype: Dtype, length: number, entry: (i: number) => number): ExactValue =>
  tensor(
    dtype,
    [length],
    Array.from({ length }, (_, i) => entry(i)),
  );

const NONE = {} as const;
const MATRIX = tensor("i16", [2, 3], [1, 2, 3, 4, 5, 6]);
const MIXED = tensor("i8", [2, 3], [3, -1, 4, 1, -5, 9]);
const POOLED = tensor("i8", [1, 4, 1], [1, 5, 2, 4]);
const WINDOW = { kernel: [2], strides: [2], dilations: [1], pads: [1, 1] } as const;
const I8 = { dtype: "i8", zeroPoint: 0n, lo: -128n, hi: 127n } as const;

export const EXAMPLES: { readonly [K in TensorOpName]: Example<InstructionOf<K>["imm"]> } = {
  matmul: {
    imm: { aBits: 8, bBits: 8, accumulator: "i32" },
    operands: [tensor("i8", [2, 3], [1, 2, 3, 4, 5, 6]), tensor("i8", [3, 2], [1, 0, 0, 1, -1, 2])],
    results: [tensor("i32", [2, 2], [-2, 8, -2, 17])],
  },
  conv: {
    imm: {
      aBits: 8,
      bBits: 8,
      accumulator: "i32",
      strides: [1],
      dilations: [1],
      pads: [1, 1],
      groups: 1,
      padValue: 5n,
    },
    operands: [tensor("i8", [1, 4, 1], [1, 2, 3, 4]), tensor("i8", [3, 1, 1], [1, 0, -1])],
    results: [tensor("i32", [1, 4, 1], [3, -2, -2, -2])],
  },
  "mul.wide": {
    imm: { accumulator: "i32" },
    operands: [vector("i16", 32767, -32768), vector("i16", -32768)],
    results: [vector("i32", -1073709056, 1073741824)],
  },
  rescale: {
    imm: { multiplier: 1, shift: 1, dtype: "i8", zeroPoint: 1n, lo: -128n, hi: 127n },
    operands: [vector("i32", 3, -3, 5, 1000)],
    results: [vector("i8", 3, 0, 4, 127)],
  },
  "rescale.by": {
    imm: { dtype: "i16", zeroPoint: 0n, lo: -100n, hi: 100n },
    operands: [tensor("i32", [2, 2], [10, 10, -10, -10]), vector("i32", 1, 3), vector("i8", 2, 1)],
    results: [tensor("i16", [2, 2], [3, 15, -2, -15])],
  },
  "rescale.add": {
    imm: { aMultiplier: 2, bMultiplier: 3, shift: 2, ...I8 },
    operands: [vector("i8", 10, -7), vector("i16", 3, 3)],
    results: [vector("i8", 7, -1)],
  },
  lut: {
    imm: NONE,
    operands: [vector("i8", -128, 0, 5), filled("i16", 256, (i) => (i - 128) * (i - 128))],
    results: [vector("i16", 16384, 0, 25)],
  },
  "lut.interpolate": {
    imm: { segmentsLog2: 6, guardBits: 1, dtype: "i16" },
    operands: [vector("i16", -32768, 0, 512), filled("i32", 65, (i) => 100 * i)],
    results: [vector("i16", 0, 1600, 1625)],
  },
  add: {
    imm: NONE,
    operands: [vector("i8", 100, -100, 1), vector("i8", 100)],
    results: [vector("i8", 127, 0, 101)],
  },
  sub: {
    imm: NONE,
    operands: [vector("u8", 5, 200), vector("u8", 10, 1)],
    results: [vector("u8", 0, 199)],
  },
  mul: {
    imm: NONE,
    operands: [vector("i8", 16, -16, 3), tensor("i8", [], [8])],
    results: [vector("i8", 127, -128, 24)],
  },
  "div.floor": {
    imm: NONE,
    operands: [vector("i8", 7, -7, 7, -128, 5, -5, 0), vector("i8", 2, 2, -2, -1, 0, 0, 0)],
    results: [vector("i8", 3, -4, -4, 127, 127, -128, 0)],
  },
  "div.trunc": {
    imm: NONE,
    operands: [vector("i8", 7, -7, 7, -128, 5, -5, 0), vector("i8", 2, 2, -2, -1, 0, 0, 0)],
    results: [vector("i8", 3, -3, -3, 127, 127, -128, 0)],
  },
  "mod.floor": {
    imm: NONE,
    operands: [vector("i8", 7, -7, 7, -7, 5), vector("i8", 3, 3, -3, -3, 0)],
    results: [vector("i8", 1, 2, -2, -1, 5)],
  },
  "mod.trunc": {
    imm: NONE,
    operands: [vector("i8", 7, -7, 7, -7, 5), vector("i8", 3, 3, -3, -3, 0)],
    results: [vector("i8", 1, -1, 1, -1, 5)],
  },
  min: {
    imm: NONE,
    operands: [vector("i16", 1, -2), vector("i16", 0, 5)],
    results: [vector("i16", 0, -2)],
  },
  max: {
    imm: NONE,
    operands: [vector("i16", 1, -2), vector("i16", 0, 5)],
    results: [vector("i16", 1, 5)],
  },
  and: {
    imm: NONE,
    operands: [vector("i8", 12, -1), vector("i8", 10, 7)],
    results: [vector("i8", 8, 7)],
  },
  or: {
    imm: NONE,
    operands: [vector("i8", 12, -1), vector("i8", 10, 7)],
    results: [vector("i8", 14, -1)],
  },
  xor: {
    imm: NONE,
    operands: [vector("i8", 12, -1), vector("i8", 10, 7)],
    results: [vector("i8", 6, -8)],
  },
  shl: {
    imm: NONE,
    operands: [vector("i8", 3, -3, 1, 1), vector("i8", 2, 2, 7, -5)],
    results: [vector("i8", 12, -12, 127, 1)],
  },
  shr: {
    imm: NONE,
    operands: [vector("i8", -5, 5, -1, 100), vector("i8", 1, 1, 100, -2)],
    results: [vector("i8", -3, 2, -1, 100)],
  },
  eq: {
    imm: NONE,
    operands: [vector("i16", 1, 2, 3), vector("i16", 1, 3, 2)],
    results: [vector("bool", 1, 0, 0)],
  },
  lt: {
    imm: NONE,
    operands: [vector("i16", 1, 2, 3), vector("i16", 1, 3, 2)],
    results: [vector("bool", 0, 1, 0)],
  },
  le: {
    imm: NONE,
    operands: [vector("i16", 1, 2, 3), vector("i16", 1, 3, 2)],
    results: [vector("bool", 1, 1, 0)],
  },
  not: {
    imm: NONE,
    operands: [vector("u8", 0, 200)],
    results: [vector("u8", 255, 55)],
  },
  neg: {
    imm: NONE,
    operands: [vector("i8", -128, 5)],
    results: [vector("i8", 127, -5)],
  },
  abs: {
    imm: NONE,
    operands: [vector("i8", -128, -5, 5)],
    results: [vector("i8", 127, 5, 5)],
  },
  "sqrt.floor": {
    imm: NONE,
    operands: [vector("i32", 0, 15, 16, -4)],
    results: [vector("i32", 0, 3, 4, 0)],
  },
  clamp: {
    imm: { lo: -100n, hi: 250n },
    operands: [vector("i16", -300, 0, 300)],
    results: [vector("i16", -100, 0, 250)],
  },
  cast: {
    imm: { dtype: "u8" },
    operands: [vector("i32", -1, 7, 300)],
    results: [vector("u8", 0, 7, 255)],
  },
  normalize: {
    imm: NONE,
    operands: [vector("i32", 1, 3, 0)],
    results: [vector("i32", 1073741824, 1610612736, 0), vector("i32", 0, 1, 0)],
  },
  select: {
    imm: NONE,
    operands: [vector("bool", 1, 0), vector("i8", 5, 6), tensor("i8", [], [-1])],
    results: [vector("i8", 5, -1)],
  },
  "reduce.sum": {
    imm: { axes: [1], dtype: "i32" },
    operands: [MIXED],
    results: [tensor("i32", [2, 1], [6, 5])],
  },
  "reduce.prod": {
    imm: { axes: [0], dtype: "i32" },
    operands: [MIXED],
    results: [tensor("i32", [1, 3], [3, 5, 36])],
  },
  "reduce.max": {
    imm: { axes: [1] },
    operands: [MIXED],
    results: [tensor("i8", [2, 1], [4, 9])],
  },
  "reduce.min": {
    imm: { axes: [0, 1] },
    operands: [MIXED],
    results: [tensor("i8", [1, 1], [-5])],
  },
  argmax: {
    imm: { axis: 1 },
    operands: [tensor("i8", [2, 3], [3, 7, 7, -1, -1, -2])],
    results: [tensor("i32", [2, 1], [1, 0])],
  },
  argmin: {
    imm: { axis: 1 },
    operands: [tensor("i8", [2, 3], [3, 7, 3, -1, -1, -2])],
    results: [tensor("i32", [2, 1], [0, 2])],
  },
  cumsum: {
    imm: { axis: 1, dtype: "i32" },
    operands: [MIXED],
    results: [tensor("i32", [2, 3], [3, 2, 6, 1, -4, 5])],
  },
  "pool.max": {
    imm: WINDOW,
    operands: [POOLED],
    results: [tensor("i8", [1, 3, 1], [1, 5, 4])],
  },
  "pool.sum": {
    imm: { ...WINDOW, dtype: "i32" },
    operands: [POOLED],
    results: [tensor("i32", [1, 3, 1], [1, 7, 4])],
  },
  reshape: {
    imm: { dims: [-4, -1] },
    operands: [MATRIX],
    results: [tensor("i16", [3, 2], [1, 2, 3, 4, 5, 6])],
  },
  transpose: {
    imm: { perm: [1, 0] },
    operands: [MATRIX],
    results: [tensor("i16", [3, 2], [1, 4, 2, 5, 3, 6])],
  },
  slice: {
    imm: { starts: [-2], ends: [0], steps: [-2] },
    operands: [vector("i16", 0, 1, 2, 3, 4, 5)],
    results: [vector("i16", 4, 2)],
  },
  concat: {
    imm: { count: 2, axis: 1 },
    operands: [tensor("i8", [2, 1], [1, 2]), tensor("i8", [2, 2], [3, 4, 5, 6])],
    results: [tensor("i8", [2, 3], [1, 3, 4, 2, 5, 6])],
  },
  gather: {
    imm: { axis: 0 },
    operands: [tensor("i8", [3, 2], [1, 2, 3, 4, 5, 6]), vector("i32", 2, 0)],
    results: [tensor("i8", [2, 2], [5, 6, 1, 2])],
  },
  pad: {
    imm: { before: [1], after: [2], interior: [1], value: -1n },
    operands: [vector("i8", 7, 8)],
    results: [vector("i8", -1, 7, -1, 8, -1, -1)],
  },
  expand: {
    imm: { dims: [2, -2] },
    operands: [tensor("i8", [2, 1], [1, 2]), vector("i64", 3)],
    results: [tensor("i8", [2, 3], [1, 1, 1, 2, 2, 2])],
  },
  "resize.nearest": {
    imm: { sizes: [4], numerators: [1], denominators: [2], offsets: [0] },
    operands: [tensor("i8", [1, 2, 1], [10, 20])],
    results: [tensor("i8", [1, 4, 1], [10, 10, 20, 20])],
  },
  "resize.linear": {
    imm: { sizes: [4], numerators: [2], denominators: [4], offsets: [-1], dtype: "i32" },
    operands: [tensor("i8", [1, 2, 1], [10, 20])],
    results: [tensor("i32", [1, 4, 1], [40, 50, 70, 80])],
  },
  shape: {
    imm: NONE,
    operands: [MATRIX],
    results: [vector("i64", 2, 3)],
  },
  iota: {
    imm: { dims: [4] },
    operands: [],
    results: [vector("i32", 0, 1, 2, 3)],
  },
  scatter: {
    imm: { axis: 0 },
    operands: [
      tensor("i8", [3, 2], [1, 2, 3, 4, 5, 6]),
      vector("i32", 2, 0, 2),
      tensor("i8", [3, 2], [7, 8, 9, 10, 11, 12]),
    ],
    results: [tensor("i8", [3, 2], [9, 10, 3, 4, 11, 12])],
  },
  "scatter.add": {
    imm: { axis: 0 },
    operands: [vector("i8", 1, 100, 3), vector("i64", 1, 1, 2), vector("i8", 100, -90, 4)],
    results: [vector("i8", 1, 110, 7)],
  },
  "scatter.mul": {
    imm: { axis: 0 },
    operands: [vector("i8", 2, 3, 4), vector("i32", 1, 0, 1), vector("i8", 5, 100, -2)],
    results: [vector("i8", 127, -30, 4)],
  },
  "scatter.max": {
    imm: { axis: 1 },
    operands: [
      tensor("i8", [2, 2], [1, 2, 3, 4]),
      vector("i32", 0, 0),
      tensor("i8", [2, 2], [5, -5, 2, 3]),
    ],
    results: [tensor("i8", [2, 2], [5, 2, 3, 4])],
  },
  "scatter.min": {
    imm: { axis: 0 },
    operands: [vector("i8", 1, 2, 3), vector("i32", 2, 2, 0), vector("i8", 0, -1, 4)],
    results: [vector("i8", 1, 2, -1)],
  },
  argsort: {
    imm: { axis: 1 },
    operands: [tensor("i8", [2, 3], [3, -1, 3, 2, 1, 1])],
    results: [tensor("i32", [2, 3], [1, 0, 2, 1, 2, 0])],
  },
  nonzero: {
    imm: NONE,
    operands: [tensor("i8", [2, 3], [0, 5, 0, -1, 0, 7])],
    results: [vector("i32", 1, 3, 5)],
  },
};

/**
 * A valid module for each instruction of the machine, in assembly. Function 0 has the instruction;
 * the header line is left out.
 */
export const MACHINE_EXAMPLES: Readonly<Record<MachineOpName, string>> = {
  trap: `function ()->(i32:1)
  trap detail=7
end`,
  block: `function (bool:0, i16:2)->(i16:2)
  local.get local=1
  block type=(i16:2)->(i16:2)
    local.get local=0
    br.if label=0
    neg
  end
end`,
  loop: `function (i64:0)->(i64:0)
  local.get local=0
  loop type=(i64:0)->(i64:0)
    scalar dtype=i64 value=2
    mul
    local.tee local=0
    local.get local=0
    scalar dtype=i64 value=1000
    lt
    br.if label=0
  end
end`,
  if: `function (bool:0)->(i32:0)
  local.get local=0
  if type=()->(i32:0)
    scalar dtype=i32 value=1
  else
    scalar dtype=i32 value=0
  end
end`,
  else: `function (bool:0, i8:1)->(i8:1)
  local.get local=1
  local.get local=0
  if type=(i8:1)->(i8:1)
    abs
  else
    neg
  end
end`,
  end: `function ()->()
end`,
  br: `function (u8:1)->(u8:1)
  block type=()->(u8:1)
    local.get local=0
    br label=0
  end
end`,
  "br.if": `function (bool:0, i16:2)->(i16:2)
  local.get local=1
  local.get local=0
  br.if label=0
  neg
end`,
  return: `function (i16:2)->(i16:2)
  local.get local=0
  return
end`,
  call: `function (i16:1)->(i16:1)
  local.get local=0
  call function=1
end
function (i16:1)->(i16:1)
  local.get local=0
  neg
end`,
  drop: `function (i16:1)->()
  local.get local=0
  drop
end`,
  "local.get": `function (i16:1)->(i16:1)
  local.get local=0
end`,
  "local.set": `function (i16:1)->(i16:1)
  locals i16:1
  local.get local=0
  local.set local=1
  local.get local=1
end`,
  "local.tee": `function (i16:1)->(i16:1)
  locals i16:1
  local.get local=0
  local.tee local=1
  local.get local=1
  add
end`,
  "local.take": `function (i16:1)->(i16:1)
  local.take local=0
  neg
end`,
  const: `parameter i8 [2, 2]
  values 1 2 3 4
function ()->(i8:2)
  const parameter=0
end`,
  scalar: `function ()->(i64:0)
  scalar dtype=i64 value=-9223372036854775808
end`,
  random: `function (i64:0)->(u8:2)
  local.get local=0
  random dtype=u8 stream=1 dims=[2,3]
end`,
};
