import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import type { KernelFunc, TensorInfo } from "@tensorflow/tfjs-core";
import { HostError, InternalError } from "../../core/errors.js";

/** Element types of tfjs. */
export type TfDtype = "float32" | "int32" | "bool";
type TfArray = Float32Array | Int32Array | Uint8Array;

/** tfjs wants mutable attributes by name. */
type Attributes = Record<string, number | boolean | string | number[] | number[][]>;

let loading: Promise<WasmEngine> | undefined;

/**
 * The kernels of tfjs's WebAssembly backend, called past tfjs's own engine: no tensors of its, no
 * scopes, and the backend that the program around us has chosen stays chosen. There is one in a
 * process, shared by all who ask for it.
 */
export class WasmEngine {
  private readonly backend: BackendWasm;
  private readonly kernelOf: (name: string) => KernelFunc;
  /** What the innermost `scope` will free. */
  private scoped: TensorInfo[] = [];

  private constructor(backend: BackendWasm, kernelOf: (name: string) => KernelFunc) {
    this.backend = backend;
    this.kernelOf = kernelOf;
  }

  /**
   * @param wasmPath directory or URL, ending in a slash, of tfjs's `.wasm` files; in Node.js they
   *   are found without it. Only the first load in a process looks at it.
   * @throws HostError `TfjsUnavailable`
   */
  static load(wasmPath?: string): Promise<WasmEngine> {
    loading ??= WasmEngine.start(wasmPath).catch((error: unknown) => {
      loading = undefined;
      throw new HostError(
        "TfjsUnavailable",
        "the WebAssembly backend of tfjs did not start; in a browser, pass the URL of its .wasm files as `wasmPath`",
        {},
        error,
      );
    });
    return loading;
  }

  private static async start(wasmPath?: string): Promise<WasmEngine> {
    const tf = await import("@tensorflow/tfjs-core");
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    if (wasmPath !== undefined) wasm.setWasmPaths(wasmPath);
    wasm.setThreadsCount(1);
    const chosen = tf.getBackend();
    if (!(await tf.setBackend("wasm"))) {
      throw new HostError("TfjsUnavailable", "tfjs says no more than that it failed");
    }
    const backend = tf.backend() as BackendWasm;
    if (chosen && chosen !== "wasm") await tf.setBackend(chosen);
    const kernels = new Map<string, KernelFunc>();
    return new WasmEngine(backend, (name) => {
      const known = kernels.get(name);
      if (known) return known;
      const kernel = tf.getKernel(name, "wasm")?.kernelFunc;
      if (!kernel) throw new InternalError(`tfjs has no kernel ${name}`);
      kernels.set(name, kernel);
      return kernel;
    });
  }

  /** Frees everything that `body` has uploaded or computed, except what it `keep`s. */
  scope<R>(body: () => R): R {
    const outer = this.scoped;
    this.scoped = [];
    try {
      return body();
    } finally {
      for (const x of this.scoped) this.free(x);
      this.scoped = outer;
    }
  }

  /** Takes a tensor out of the scope; it lives until it is freed. */
  keep(x: TensorInfo): TensorInfo {
    this.scoped = this.scoped.filter((other) => other !== x);
    return x;
  }

  free(x: TensorInfo): void {
    this.backend.disposeData(x.dataId);
  }

  upload(values: TfArray, shape: readonly number[]): TensorInfo {
    const dtype: TfDtype =
      values instanceof Float32Array ? "float32" : values instanceof Int32Array ? "int32" : "bool";
    const dataId = this.backend.write(values, [...shape], dtype);
    return this.track({ dataId, shape: [...shape], dtype });
  }

  run(kernel: string, inputs: Record<string, TensorInfo>, attrs: Attributes = {}): TensorInfo {
    return this.track(
      this.kernelOf(kernel)({ inputs, attrs, backend: this.backend }) as TensorInfo,
    );
  }

  /** A copy of the elements. */
  read(x: TensorInfo): TfArray {
    return this.backend.readSync(x.dataId) as TfArray;
  }

  private track(x: TensorInfo): TensorInfo {
    if (this.backend.getMemoryOffset(x.dataId) === 0 && !x.shape.includes(0)) {
      throw new HostError("OutOfMemory", "the memory of tfjs is full; run a smaller input");
    }
    this.scoped.push(x);
    return x;
  }
}
