import type { Dtype } from "../../core/dtype.js";
import { newArray } from "../../core/dtype.js";
import { HostError } from "../../core/errors.js";
import type { Shape } from "../../core/shape.js";
import { elementCount, formatShape } from "../../core/shape.js";
import type { Backend, Kernels } from "../backend.js";
import type { HostTensor } from "./hostTensor.js";
import { bigintsOf, doublesOf, hostTensor } from "./hostTensor.js";

/** Multiply-accumulates of a contraction with operands `b` and result `shape`. */
export function contractionMacs(op: "matmul" | "conv", b: Shape, shape: Shape): number {
  const outputs = b[b.length - 1]!;
  if (outputs === 0) return 0;
  const k = op === "matmul" ? b[b.length - 2]! : elementCount(b) / outputs;
  return elementCount(shape) * k;
}

export interface HostBackendOptions {
  /** Multiply-accumulates that ran on kernels of another backend. */
  readonly inheritedMacs?: () => number;
  /** Bytes that the backend keeps beside the tensors. */
  readonly packedBytes?: () => number;
  /** Called when no tensor holds that storage any more. */
  readonly onStorageReleased?: (storage: ArrayBufferLike) => void;
  readonly onDispose?: () => void;
}

function outOfMemory(what: string, cause: unknown): HostError {
  return new HostError(
    "OutOfMemory",
    `the host has no memory for ${what}; free memory or run a smaller input`,
    {},
    cause,
  );
}

/** A backend of kernels that are functions of host tensors: adds storage, counting and host errors. */
export function hostBackend(
  name: string,
  kernels: Kernels<HostTensor>,
  options: HostBackendOptions = {},
): Backend<HostTensor> {
  /** Tensors that hold each storage: results may share it with operands. */
  const holders = new Map<ArrayBufferLike, number>();
  let residentBytes = 0;
  let macs = 0;

  const hold = (x: HostTensor): void => {
    const { buffer } = x.data;
    const count = holders.get(buffer) ?? 0;
    if (count === 0) residentBytes += buffer.byteLength;
    holders.set(buffer, count + 1);
  };

  const held = <A extends readonly unknown[], R extends HostTensor | readonly HostTensor[]>(
    op: string,
    kernel: (...operands: A) => R,
  ): ((...operands: A) => R) => {
    return (...operands) => {
      let result: R;
      try {
        result = kernel(...operands);
      } catch (error) {
        // What typed arrays throw when their buffer cannot be had.
        if (error instanceof RangeError) throw outOfMemory(`the result of ${op}`, error);
        throw error;
      }
      for (const tensor of [result].flat() as HostTensor[]) hold(tensor);
      return result;
    };
  };

  const counted = (op: "matmul" | "conv", b: HostTensor, shape: Shape): void => {
    macs += contractionMacs(op, b.shape, shape);
  };
  const all = Object.fromEntries(
    Object.entries(kernels).map(([op, kernel]) => [
      op,
      held(op, kernel as (...a: never[]) => HostTensor),
    ]),
  ) as unknown as Kernels<HostTensor>;

  return {
    name,
    kernels: {
      ...all,
      matmul(a, b, attributes, shape) {
        counted("matmul", b, shape);
        return all.matmul(a, b, attributes, shape);
      },
      conv(a, b, attributes, shape) {
        counted("conv", b, shape);
        return all.conv(a, b, attributes, shape);
      },
    },

    upload(dtype: Dtype, shape: Shape, bytes: Uint8Array): HostTensor {
      let data: HostTensor["data"];
      try {
        data = newArray(dtype, elementCount(shape));
      } catch (error) {
        throw outOfMemory(`a tensor of ${formatShape(shape)} ${dtype}`, error);
      }
      new Uint8Array(data.buffer).set(bytes);
      const tensor = hostTensor(dtype, shape, data);
      hold(tensor);
      return tensor;
    },

    download(x) {
      return new Uint8Array(x.data.buffer, x.data.byteOffset, x.data.byteLength).slice();
    },

    within(x, lo, hi) {
      if (x.dtype === "i64") return bigintsOf(x).every((v) => v >= lo && v <= hi);
      const [least, greatest] = [Number(lo), Number(hi)];
      return doublesOf(x).every((v) => v >= least && v <= greatest);
    },

    release(x) {
      const { buffer } = x.data;
      const count = holders.get(buffer) ?? 0;
      if (count > 1) {
        holders.set(buffer, count - 1);
      } else if (holders.delete(buffer)) {
        residentBytes -= buffer.byteLength;
        options.onStorageReleased?.(buffer);
      }
    },

    statistics() {
      return {
        macs,
        ownMacs: macs - (options.inheritedMacs?.() ?? 0),
        residentBytes: residentBytes + (options.packedBytes?.() ?? 0),
      };
    },

    dispose() {
      options.onDispose?.();
      holders.clear();
      residentBytes = 0;
    },
  };
}
