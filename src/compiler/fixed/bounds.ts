/** What the integers of a program can be, as far as its instructions say. */
import type { Dtype } from "../../core/dtype.js";
import { DTYPE_INFO } from "../../core/dtype.js";
import type { FixedConstant, FixedNode, FixedValue } from "./fixedGraph.js";

/** An interval of integers, both ends included. */
export interface Bounds {
  readonly lo: bigint;
  readonly hi: bigint;
}

/** Dimensions are below 2^31, and so are indices. */
const INDEX: Bounds = { lo: 0n, hi: 0x7fffffffn };
/** Instructions that are looked through; deeper ones count as anything their dtype holds. */
const MAX_DEPTH = 64;
const KNOWN = new WeakMap<FixedValue, Bounds>();

/** An interval that every element of `value` lies in, whatever the inputs are. */
export function boundsOf(value: FixedValue, depth = MAX_DEPTH): Bounds {
  const known = KNOWN.get(value);
  if (known !== undefined) return known;
  const { min, max } = DTYPE_INFO[value.dtype];
  const { source } = value;
  let bounds: Bounds = { lo: min, hi: max };
  if (source.kind === "scalar") bounds = { lo: source.value, hi: source.value };
  else if (source.kind === "constant") bounds = boundsOfConstant(source.constant);
  else if (source.kind === "node" && value.dtype !== "bool" && depth > 0) {
    const found = boundsOfNode(source.node, (operand) => boundsOf(operand, depth - 1));
    // One saturation ends every instruction.
    const into = (x: bigint): bigint => (x < min ? min : x > max ? max : x);
    if (found !== undefined) bounds = { lo: into(found.lo), hi: into(found.hi) };
  }
  KNOWN.set(value, bounds);
  return bounds;
}

function boundsOfConstant(constant: FixedConstant): Bounds {
  const { dtype } = constant;
  const bytes = constant.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read: Readonly<Record<Dtype, (at: number) => bigint>> = {
    bool: (at) => BigInt(view.getUint8(at)),
    u8: (at) => BigInt(view.getUint8(at)),
    i8: (at) => BigInt(view.getInt8(at)),
    i16: (at) => BigInt(view.getInt16(at, true)),
    i32: (at) => BigInt(view.getInt32(at, true)),
    i64: (at) => view.getBigInt64(at, true),
  };
  const step = DTYPE_INFO[dtype].bytes;
  if (bytes.length === 0) return { lo: 0n, hi: 0n };
  let lo = read[dtype](0);
  let hi = lo;
  for (let at = step; at < bytes.length; at += step) {
    const value = read[dtype](at);
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  return { lo, hi };
}

type Operand = (value: FixedValue) => Bounds;

function boundsOfNode(node: FixedNode, of: Operand): Bounds | undefined {
  const [x, y, z] = node.operands;
  switch (node.op) {
    case "shape":
    case "iota":
    case "argmax":
    case "argmin":
      return INDEX;
    case "clamp":
    case "rescale":
    case "rescale.by":
    case "rescale.add": {
      const { lo, hi } = node.imm as { readonly lo: bigint; readonly hi: bigint };
      return { lo, hi };
    }
    case "cast":
    case "reshape":
    case "transpose":
    case "slice":
    case "expand":
    case "gather":
    case "reduce.max":
    case "reduce.min":
      return of(x!);
    case "concat":
      return node.operands.map(of).reduce(union);
    case "select":
      return union(of(y!), of(z!));
    case "add":
      return sumBounds(of(x!), of(y!));
    case "sub":
      return sumBounds(of(x!), negated(of(y!)));
    case "mul":
    case "mul.wide":
      return productBounds(of(x!), of(y!));
    case "neg":
      return negated(of(x!));
    case "abs":
      return union({ lo: 0n, hi: 0n }, union(positive(of(x!)), positive(negated(of(x!)))));
    case "min":
      return { lo: least(of(x!).lo, of(y!).lo), hi: least(of(x!).hi, of(y!).hi) };
    case "max":
      return { lo: greatest(of(x!).lo, of(y!).lo), hi: greatest(of(x!).hi, of(y!).hi) };
    case "and":
      return masked(of(x!), of(y!));
    case "shr":
    case "div.trunc":
    case "div.floor":
    case "mod.trunc":
      // None of these takes a value further from 0 than it was, or than −1; x / 0 is the exception.
      return node.op !== "shr" && node.op !== "mod.trunc" && of(y!).lo <= 0n && of(y!).hi >= 0n
        ? undefined
        : union({ lo: -1n, hi: 0n }, union(of(x!), negated(of(x!))));
    case "mod.floor":
      return of(y!).lo > 0n ? { lo: 0n, hi: of(y!).hi - 1n } : undefined;
    default:
      return undefined;
  }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const greatest = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const negated = ({ lo, hi }: Bounds): Bounds => ({ lo: -hi, hi: -lo });
const positive = ({ lo, hi }: Bounds): Bounds => ({ lo: greatest(lo, 0n), hi: greatest(hi, 0n) });

/** The least interval that holds both. */
export function union(a: Bounds, b: Bounds): Bounds {
  return { lo: least(a.lo, b.lo), hi: greatest(a.hi, b.hi) };
}

/** Where exact sums lie. */
export function sumBounds(a: Bounds, b: Bounds): Bounds {
  return { lo: a.lo + b.lo, hi: a.hi + b.hi };
}

/** Where exact differences lie. */
export function differenceBounds(a: Bounds, b: Bounds): Bounds {
  return sumBounds(a, negated(b));
}

/** Where exact products lie. */
export function productBounds(a: Bounds, b: Bounds): Bounds {
  const corners = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
  return { lo: corners.reduce(least), hi: corners.reduce(greatest) };
}

/** An and with something that is not negative is between 0 and that. */
function masked(a: Bounds, b: Bounds): Bounds | undefined {
  const caps = [a, b].filter(({ lo }) => lo >= 0n).map(({ hi }) => hi);
  return caps.length === 0 ? undefined : { lo: 0n, hi: caps.reduce(least) };
}

export function isWithin(inner: Bounds, outer: Bounds): boolean {
  return inner.lo >= outer.lo && inner.hi <= outer.hi;
}
