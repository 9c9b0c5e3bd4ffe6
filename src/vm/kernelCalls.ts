/** Which kernel does which instruction, and how the kernel is handed what the instruction says. */
import type { Dtype } from "../core/dtype.js";
import type { TensorSpec } from "../core/shape.js";
import type { TensorOpName } from "../opcodes/index.js";
import { sliceAxis } from "../opcodes/movement.js";
import type {
  ArgOp,
  Backend,
  BinaryOp,
  CompareOp,
  ContractionAttributes,
  ConvAttributes,
  PoolAttributes,
  PoolOp,
  ReduceOp,
  RescaleOutput,
  ResizeAttributes,
  ScatterOp,
  Tensor,
  UnaryOp,
} from "../tensor/backend.js";

/**
 * Runs the kernel of an instruction on operands that have been checked. The record of the
 * instruction gave the immediates their types, and validation their values.
 */
export type KernelCall<Immediates = never> = (
  backend: Backend,
  imm: Immediates,
  operands: readonly Tensor[],
  results: readonly TensorSpec[],
) => Tensor | readonly Tensor[];

const binary =
  (op: BinaryOp): KernelCall<unknown> =>
  ({ kernels }, _imm, [a, b], [y]) =>
    kernels.binary(op, a!, b!, y!.shape);

const compare =
  (op: CompareOp): KernelCall<unknown> =>
  ({ kernels }, _imm, [a, b], [y]) =>
    kernels.compare(op, a!, b!, y!.shape);

const unary =
  (op: UnaryOp): KernelCall<unknown> =>
  ({ kernels }, _imm, [x]) =>
    kernels.unary(op, x!);

const reduce =
  (op: ReduceOp): KernelCall<{ axes: readonly number[] }> =>
  ({ kernels }, { axes }, [x], [y]) =>
    kernels.reduce(op, x!, axes, y!.dtype, y!.shape);

const arg =
  (op: ArgOp): KernelCall<{ axis: number }> =>
  ({ kernels }, { axis }, [x], [y]) =>
    kernels.arg(op, x!, axis, y!.shape);

const scatter =
  (op: ScatterOp): KernelCall<{ axis: number }> =>
  ({ kernels }, { axis }, [x, indices, updates]) =>
    kernels.scatter(op, x!, indices!, updates!, axis);

const pool =
  (op: PoolOp): KernelCall<PoolAttributes> =>
  ({ kernels }, imm, [x], [y]) =>
    kernels.pool(op, x!, imm, y!.dtype, y!.shape);

export const KERNEL_CALLS: Readonly<Record<TensorOpName, KernelCall>> = {
  matmul: ({ kernels }, imm: ContractionAttributes, [a, b], [y]) =>
    kernels.matmul(a!, b!, imm, y!.shape),
  conv: ({ kernels }, imm: ConvAttributes, [a, b], [y]) => kernels.conv(a!, b!, imm, y!.shape),
  "mul.wide": ({ kernels }, imm: { accumulator: "i32" | "i64" }, [a, b], [y]) =>
    kernels.mulWide(a!, b!, imm.accumulator, y!.shape),

  rescale: ({ kernels }, imm: RescaleOutput & { multiplier: number; shift: number }, [x]) =>
    kernels.rescale(x!, imm.multiplier, imm.shift, imm),
  "rescale.by": ({ kernels }, imm: RescaleOutput, [x, multiplier, shift]) =>
    kernels.rescaleBy(x!, multiplier!, shift!, imm),
  "rescale.add": (
    { kernels },
    imm: RescaleOutput & { aMultiplier: number; bMultiplier: number; shift: number },
    [a, b],
    [y],
  ) => {
    const multipliers = { a: imm.aMultiplier, b: imm.bMultiplier };
    return kernels.rescaleAdd(a!, b!, multipliers, imm.shift, imm, y!.shape);
  },

  lut: ({ kernels }, _imm, [x, table]) => kernels.lut(x!, table!),
  "lut.interpolate": (
    { kernels },
    imm: { segmentsLog2: number; guardBits: number; dtype: Dtype },
    [x, table],
  ) => kernels.lutInterpolate(x!, table!, imm),

  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  "div.floor": binary("div.floor"),
  "div.trunc": binary("div.trunc"),
  "mod.floor": binary("mod.floor"),
  "mod.trunc": binary("mod.trunc"),
  min: binary("min"),
  max: binary("max"),
  and: binary("and"),
  or: binary("or"),
  xor: binary("xor"),
  shl: binary("shl"),
  shr: binary("shr"),
  eq: compare("eq"),
  lt: compare("lt"),
  le: compare("le"),
  not: unary("not"),
  neg: unary("neg"),
  abs: unary("abs"),
  "sqrt.floor": unary("sqrt.floor"),
  clamp: ({ kernels }, imm: { lo: bigint; hi: bigint }, [x]) => kernels.clamp(x!, imm.lo, imm.hi),
  cast: ({ kernels }, imm: { dtype: Dtype }, [x]) => kernels.cast(x!, imm.dtype),
  normalize: ({ kernels }, _imm, [x]) => kernels.normalize(x!),
  select: ({ kernels }, _imm, [condition, a, b], [y]) =>
    kernels.select(condition!, a!, b!, y!.shape),

  "reduce.sum": reduce("reduce.sum"),
  "reduce.prod": reduce("reduce.prod"),
  "reduce.max": reduce("reduce.max"),
  "reduce.min": reduce("reduce.min"),
  argmax: arg("argmax"),
  argmin: arg("argmin"),
  argsort: ({ kernels }, imm: { axis: number }, [x]) => kernels.argsort(x!, imm.axis),
  cumsum: ({ kernels }, imm: { axis: number; dtype: "i32" | "i64" }, [x]) =>
    kernels.cumsum(x!, imm.axis, imm.dtype),
  "pool.max": pool("pool.max"),
  "pool.sum": pool("pool.sum"),

  reshape: ({ kernels }, _imm, [x], [y]) => kernels.reshape(x!, y!.shape),
  transpose: ({ kernels }, imm: { perm: readonly number[] }, [x], [y]) =>
    kernels.transpose(x!, imm.perm, y!.shape),
  slice: (
    { kernels },
    imm: { starts: readonly number[]; ends: readonly number[]; steps: readonly number[] },
    [x],
    [y],
  ) => {
    const starts = x!.shape.map(
      (dim, axis) => sliceAxis(dim, imm.starts[axis]!, imm.ends[axis]!, imm.steps[axis]!).start,
    );
    return kernels.slice(x!, starts, imm.steps, y!.shape);
  },
  concat: ({ kernels }, imm: { axis: number }, operands, [y]) =>
    kernels.concat(operands, imm.axis, y!.shape),
  gather: ({ kernels }, imm: { axis: number }, [x, indices], [y]) =>
    kernels.gather(x!, indices!, imm.axis, y!.shape),
  scatter: scatter("scatter"),
  "scatter.add": scatter("scatter.add"),
  "scatter.mul": scatter("scatter.mul"),
  "scatter.max": scatter("scatter.max"),
  "scatter.min": scatter("scatter.min"),
  nonzero: ({ kernels }, _imm, [x]) => kernels.nonzero(x!),
  pad: (
    { kernels },
    imm: { before: readonly number[]; interior: readonly number[]; value: bigint },
    [x],
    [y],
  ) => kernels.pad(x!, imm.before, imm.interior, imm.value, y!.shape),
  expand: ({ kernels }, _imm, [x], [y]) => kernels.expand(x!, y!.shape),
  "resize.nearest": ({ kernels }, imm: ResizeAttributes, [x], [y]) =>
    kernels.resizeNearest(x!, imm, y!.shape),
  "resize.linear": ({ kernels }, imm: ResizeAttributes & { dtype: "i32" | "i64" }, [x], [y]) =>
    kernels.resizeLinear(x!, imm, imm.dtype, y!.shape),
  shape: (backend, _imm, [x], [y]) => {
    const dims = BigInt64Array.from(x!.shape, BigInt);
    return backend.upload("i64", y!.shape, new Uint8Array(dims.buffer));
  },
  iota: ({ kernels }, _imm, _operands, [y]) => kernels.iota(y!.shape[0]!),
};
