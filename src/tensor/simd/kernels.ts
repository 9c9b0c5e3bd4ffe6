import { HostError } from "../../core/errors.js";
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
  ): void;
  runsBytes(k: number, n: number): number;
  planRuns(packed: Address, k: number, n: number, limit: number, runs: Address): number;
  splitPairs(packed: Address, bytes: number, dst: Address): void;
  contract(contraction: Address): void;
  contractScratchBytes(k: number, n: number): number;
  depthwise(contraction: Address): void;
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
    type: number,
    dst: Address,
  ): void;
}

let compiled: WebAssembly.Module | undefined;

/** The kernels over a memory, synchronously. The code is compiled once. Throws `HostError` without WASM SIMD. */
export function instantiateKernels(memory: WebAssembly.Memory): Kernels {
  if (compiled === undefined) {
    const bytes = Uint8Array.from(atob(KERNELS_WASM), (char) => char.charCodeAt(0));
    try {
      compiled = new WebAssembly.Module(bytes);
    } catch (cause) {
      throw new HostError(
        "NoSimd",
        "this host cannot compile WebAssembly SIMD; use another host or another backend",
        {},
        cause,
      );
    }
  }
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Kernels;
}
