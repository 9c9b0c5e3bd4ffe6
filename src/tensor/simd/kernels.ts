import { HostError, InternalError } from "../../core/errors.js";
import { KERNELS_WASM } from "./generated/kernelsWasm.js";

/** Address of a byte in the memory of the kernels. */
export type Address = number;

/**
 * The kernels' exports. Each is a pure function over addresses, documented where it is defined, in
 * `assembly/`. `type` arguments are the codes of `DTYPE_INFO`.
 */
export interface Kernels {
  pack(
    wide: number,
    type: number,
    src: Address,
    kBytes: number,
    nBytes: number,
    k: number,
    n: number,
    dst: Address,
    matrices: number,
    stepBytes: number,
  ): void;
  columnSums(packed: Address, k: number, n: number, dst: Address): void;
  /** Writes i32 for each panel; the least of them. */
  planRuns(
    packed: Address,
    k: number,
    n: number,
    limit: number,
    dst: Address,
    oneSided: number,
  ): number;
  splitPairs(packed: Address, bytes: number, dst: Address, matrices: number): void;
  contract(
    contraction: Address,
    firstRow: number,
    rows: number,
    firstCol: number,
    cols: number,
    scratch: Address,
  ): void;
  contractScratchBytes(k: number, n: number): number;
  depthwise(contraction: Address, firstRow: number, rows: number, scratch: Address): void;
  depthwiseScratchBytes(window: Address): number;
  rescale(
    epilogue: Address,
    type: number,
    src: Address,
    rows: number,
    cols: number,
    dst: Address,
  ): void;
  lutDirect(
    type: number,
    src: Address,
    n: number,
    table: Address,
    entryBytes: number,
    dst: Address,
  ): void;
  lutInterpolate(
    src: Address,
    n: number,
    table: Address,
    segmentsLog2: number,
    guardBits: number,
    short: number,
    type: number,
    dst: Address,
  ): void;
  binary(
    op: number,
    type: number,
    a: Address,
    aRow: number,
    aStep: number,
    b: Address,
    bRow: number,
    bStep: number,
    dst: Address,
    rows: number,
    cols: number,
  ): void;
  compare(
    op: number,
    type: number,
    a: Address,
    aRow: number,
    aStep: number,
    b: Address,
    bRow: number,
    bStep: number,
    dst: Address,
    rows: number,
    cols: number,
  ): void;
  unary(op: number, type: number, src: Address, n: number, dst: Address): void;
  clamp(type: number, src: Address, n: number, lo: bigint, hi: bigint, dst: Address): void;
  cast(from: number, to: number, src: Address, n: number, dst: Address): void;
  select(
    bytes: number,
    condition: Address,
    a: Address,
    aStep: number,
    b: Address,
    bStep: number,
    n: number,
    dst: Address,
  ): void;
  mulWide(
    to: number,
    aType: number,
    a: Address,
    aRow: number,
    aStep: number,
    bType: number,
    b: Address,
    bRow: number,
    bStep: number,
    dst: Address,
    rows: number,
    cols: number,
  ): void;
  multiply(
    product: Address,
    firstRow: number,
    rows: number,
    firstCol: number,
    cols: number,
    scratch: Address,
  ): void;
  rescaleAdd(
    weightedSum: Address,
    firstRow: number,
    rows: number,
    firstCol: number,
    cols: number,
  ): void;
  reduce(
    op: number,
    type: number,
    to: number,
    src: Address,
    outer: number,
    n: number,
    inner: number,
    dst: Address,
  ): void;
  arg(
    least: number,
    type: number,
    src: Address,
    outer: number,
    n: number,
    inner: number,
    dst: Address,
  ): void;
  pool(
    sum: number,
    type: number,
    to: number,
    window: Address,
    src: Address,
    dst: Address,
    firstRow: number,
    rows: number,
  ): void;
  copy(
    bytes: number,
    rank: number,
    dims: Address,
    src: Address,
    dst: Address,
    first: number,
    count: number,
  ): void;
  fill(bytes: number, dst: Address, n: number, value: bigint): void;
  gather(
    src: Address,
    outer: number,
    axis: number,
    sliceBytes: number,
    indices: Address,
    wide: number,
    n: number,
    dst: Address,
  ): void;
  scatter(
    src: Address,
    outer: number,
    axis: number,
    sliceBytes: number,
    indices: Address,
    wide: number,
    n: number,
    dst: Address,
  ): void;
  scatterInto(
    op: number,
    type: number,
    src: Address,
    outer: number,
    axis: number,
    inner: number,
    indices: Address,
    wide: number,
    n: number,
    dst: Address,
  ): void;
  scatterAdd(
    type: number,
    src: Address,
    outer: number,
    axis: number,
    inner: number,
    indices: Address,
    wide: number,
    n: number,
    sums: Address,
    dst: Address,
  ): void;
  scatterExact(
    product: number,
    type: number,
    src: Address,
    outer: number,
    axis: number,
    inner: number,
    indices: Address,
    wide: number,
    n: number,
    scratch: Address,
    dst: Address,
  ): void;
  argsort(
    type: number,
    src: Address,
    outer: number,
    n: number,
    inner: number,
    scratch: Address,
    dst: Address,
  ): void;
  cumsum(
    type: number,
    to: number,
    src: Address,
    outer: number,
    n: number,
    inner: number,
    sums: Address,
    dst: Address,
  ): void;
  /** How many there are. */
  nonzero(bytes: number, src: Address, n: number, dst: Address): number;
}

/** Numbers of the operators of `binary`, `compare`, `unary`, `reduce` and `scatterInto`. */
export const BINARY = {
  add: 0,
  sub: 1,
  mul: 2,
  min: 3,
  max: 4,
  and: 5,
  or: 6,
  xor: 7,
  "div.floor": 8,
  "div.trunc": 9,
  "mod.floor": 10,
  "mod.trunc": 11,
  shl: 12,
  shr: 13,
} as const;
export const COMPARE = { eq: 0, lt: 1, le: 2 } as const;
export const UNARY = { not: 0, neg: 1, abs: 2, "sqrt.floor": 3 } as const;
export const REDUCE = {
  "reduce.sum": 0,
  "reduce.prod": 1,
  "reduce.max": 2,
  "reduce.min": 3,
} as const;
export const SCATTER = { "scatter.add": 1, "scatter.max": 2, "scatter.min": 3 } as const;

/** The import of the memory, before the byte that says whether it is shared. */
const MEMORY_IMPORT = "\x03env\x06memory\x02";
/** Flags of a memory with a maximum; and of one that threads share. */
const [OWN, SHARED] = [1, 3];

const compiled = new Map<boolean, WebAssembly.Module>();

/**
 * The kernels, compiled once. No kernel has instructions of its own for threads, so those for shared
 * memory are the same but for one byte, the type of the memory that they import.
 * @throws HostError `NoSimd` without WASM SIMD
 */
export function compileKernels(shared: boolean): WebAssembly.Module {
  let module = compiled.get(shared);
  if (module !== undefined) return module;
  const text = atob(KERNELS_WASM);
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  const flags = text.indexOf(MEMORY_IMPORT) + MEMORY_IMPORT.length;
  if (bytes[flags] !== OWN) throw new InternalError("the kernels import no memory with a maximum");
  if (shared) bytes[flags] = SHARED;
  try {
    module = new WebAssembly.Module(bytes);
  } catch (cause) {
    throw new HostError(
      "NoSimd",
      "this host cannot compile WebAssembly SIMD; use another host or another backend",
      {},
      cause,
    );
  }
  compiled.set(shared, module);
  return module;
}

/** The kernels over a memory, synchronously. */
export function instantiateKernels(
  memory: WebAssembly.Memory,
  module = compileKernels(false),
): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
