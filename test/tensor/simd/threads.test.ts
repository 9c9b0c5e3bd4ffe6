import { execFileSync } from "node:child_process";
import { resolveObjectURL } from "node:buffer";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { HostError, InputError } from "../../../src/core/errors.js";
import { PARTS_PROGRAM } from "../../../src/tensor/simd/generated/partsProgram.js";
import type { Kernels } from "../../../src/tensor/simd/kernels.js";
import { compileKernels, instantiateKernels } from "../../../src/tensor/simd/kernels.js";
import { createSimdBackend } from "../../../src/tensor/simd/index.js";
import { openWorkers } from "../../../src/tensor/simd/threads/openWorkers.js";
import type { KernelCall } from "../../../src/tensor/simd/threads/parts.js";
import { WORD } from "../../../src/tensor/simd/threads/parts.js";
import { splitKernels } from "../../../src/tensor/simd/threads/splitKernels.js";
import type { Job, WorkerHandle } from "../../../src/tensor/simd/threads/threadPool.js";
import { ThreadPool, partSize } from "../../../src/tensor/simd/threads/threadPool.js";
import { assembled } from "../../support/assembled.js";
import { SeededRandom } from "../../support/seededRandom.js";
import { describeBackend } from "../suite.js";

describeBackend("simd (two threads, all work split)", () =>
  createSimdBackend({ threads: 2, partNs: 0 }),
);

const module = compileKernels(true);
const names = WebAssembly.Module.exports(module).map(({ name }) => name);
const [FILL, BYTES] = [names.indexOf("fill"), 1];
/** Above what threads and tensors use: the first page is the pool's. */
const DST = 65_536;

const opened: WorkerHandle[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  await Promise.all(opened.splice(0).map((worker) => worker.terminate()));
});

async function pool(
  workers: number,
  options: { patienceMs?: number; kernel?: (own: KernelCall) => KernelCall } = {},
) {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const handles = await openWorkers(workers, { module, memory, names });
  opened.push(...handles);
  const kernels = instantiateKernels(memory, module);
  const calls = names.map((name) => kernels[name as keyof Kernels] as KernelCall);
  calls[FILL] = options.kernel?.(calls[FILL]!) ?? calls[FILL]!;
  const threads = new ThreadPool(memory, calls, handles, options.patienceMs);
  const bytes = new Uint8Array(memory.buffer);
  return { memory, kernels, threads, handles, bytes, words: new Int32Array(memory.buffer) };
}

/** Fills `n` bytes in parts of `perPart`. */
const filling = (n: number, perPart: number, value: number, dst = DST): Job => ({
  kernel: FILL,
  args: [BYTES, dst, n, BigInt(value)],
  steps: { 1: 1 },
  units: n,
  unitsPerPart: perPart,
  countArgument: 2,
});

describe("the thread pool", () => {
  it.each([0, 1, 2, 3])("does all of every job with %i workers", async (workers) => {
    const { threads, bytes } = await pool(workers);
    expect(threads.threads).toBe(1 + workers);
    const random = new SeededRandom(31);
    for (let i = 0; i < 500; i++) {
      const n = random.int(1, 500);
      const perPart = random.int(Math.ceil(n / 200), n);
      bytes.fill(0xee, DST, DST + 600);
      threads.run(filling(n, perPart, i & 127));
      const expected = new Uint8Array(600).fill(0xee).fill(i & 127, 0, n);
      expect(bytes.slice(DST, DST + 600)).toEqual(expected);
    }
  });

  it("shares the parts of a job with its workers", async () => {
    let own = 0;
    const { threads, words } = await pool(1, {
      kernel:
        (fill) =>
        (...args) => {
          // Leaves the rest to the worker: a part of its own, and then it waits.
          if (own++ === 0) while (Atomics.load(words, WORD.done) < 7);
          fill(...args);
        },
    });
    threads.run(filling(800, 100, 5));
    expect(own).toBe(1);
  });

  it("finds workers that sleep", async () => {
    const { threads, words } = await pool(1, {
      kernel:
        (fill) =>
        (...args) => {
          while (Atomics.load(words, WORD.done) === 0);
          fill(...args);
        },
    });
    for (let i = 0; i < 3; i++) {
      while (Atomics.load(words, WORD.sleepers) === 0) await new Promise((go) => setTimeout(go, 5));
      threads.run(filling(200, 100, i));
    }
  });

  it("goes on alone when a worker dies between jobs", async () => {
    const { threads, handles, bytes } = await pool(1);
    await handles[0]!.terminate();
    threads.run(filling(1000, 10, 3));
    expect(bytes.slice(DST, DST + 1000)).toEqual(new Uint8Array(1000).fill(3));
  });

  it("fails when a worker dies in a part, and from then on", async () => {
    const { threads, words } = await pool(0, {
      patienceMs: 300,
      // A worker takes the last part, and is heard of no more.
      kernel:
        (fill) =>
        (...args) => {
          if (args[1] === DST) Atomics.add(words, WORD.state, 256);
          fill(...args);
        },
    });
    expect(() => threads.run(filling(400, 100, 1))).toThrow(HostError);
    expect(() => threads.run(filling(400, 100, 1))).toThrow(/worker thread .* has not answered/);
  });

  it("fails when a worker's kernel does, and not the next time", async () => {
    const { threads, words, bytes } = await pool(1, {
      kernel:
        (fill) =>
        (...args) => {
          while (Atomics.load(words, WORD.done) === 0);
          fill(...args);
        },
    });
    // The second of two parts lies behind the end of the memory.
    const beyond = filling(200, 100, 1, bytes.length - 150);
    expect(() => threads.run(beyond)).toThrow(/worker thread .* failed in a kernel/);
    threads.run(filling(200, 100, 9));
    expect(bytes.slice(DST, DST + 200)).toEqual(new Uint8Array(200).fill(9));
  });

  it("throws what its own part throws once the others are done", async () => {
    const { threads, bytes } = await pool(1, {
      kernel:
        (fill) =>
        (...args) => {
          if (args[1] === DST) throw new RangeError("its own");
          fill(...args);
        },
    });
    expect(() => threads.run(filling(800, 100, 1))).toThrow(RangeError);
    expect(bytes.slice(DST + 100, DST + 800)).toEqual(new Uint8Array(700).fill(1));
  });

  it("cuts into at most 255 parts, at multiples of the alignment", () => {
    expect(partSize(1000, 4, 1)).toBe(250);
    expect(partSize(1000, 3, 8)).toBe(336);
    expect(partSize(5, 100, 1)).toBe(1);
    expect(partSize(7, 0, 4)).toBe(8);
    expect(Math.ceil(1e6 / partSize(1e6, 1000, 1))).toBeLessThanOrEqual(255);
  });
});

describe("splitting a kernel", () => {
  it("leaves small work to this thread", async () => {
    const { memory, kernels, threads } = await pool(0);
    const jobs = vi.spyOn(threads, "run");
    const split = splitKernels(memory, kernels, names, threads);
    split.fill(BYTES, DST, 100, 1n);
    expect(jobs).not.toHaveBeenCalled();
    split.fill(BYTES, DST, 120_000, 1n);
    expect(jobs).toHaveBeenCalledOnce();
  });
});

describe("threads of a backend", () => {
  /** A product large enough to be split, and what follows it. */
  const PROGRAM = `
  entry "main" function=0
    input "a" i16 [96,64]
    input "b" i16 [64,96]
    output "y" i16 [96,96]
  function (i16:2,i16:2)->(i16:2)
    local.get local=0
    local.get local=1
    matmul aBits=16 bBits=16 accumulator=i64
    rescale multiplier=1234567 shift=40 dtype=i16 zeroPoint=3 lo=-32768 hi=32767
    end`;
  const inputs = (seed: number) => {
    const random = new SeededRandom(seed);
    const of = (dims: number[]) => ({
      integers: Int16Array.from(random.tensor("i16", dims).values, Number),
      dims,
    });
    return { a: of([96, 64]), b: of([64, 96]) };
  };

  it("are as many as asked for, and give the same receipts", async () => {
    const one = await createSimdBackend();
    expect(one.threads).toBe(1);
    const three = await createSimdBackend({ threads: 3 });
    expect(three.threads).toBe(3);
    const receipts = [one, three].map((backend) => {
      const instance = assembled(PROGRAM, backend);
      const all = [1, 2, 3, 4].map((seed) => instance.runSync({ inputs: inputs(seed) }).receipt);
      instance.dispose();
      backend.dispose();
      return all;
    });
    expect(receipts[1]).toEqual(receipts[0]);
  });

  it("serve runs at once, of several instances", async () => {
    const backend = await createSimdBackend({ threads: 2, partNs: 0 });
    const instances = [0, 1].map(() => assembled(PROGRAM, backend));
    const seeds = [5, 6, 7, 8, 9];
    const alone = seeds.map((seed) => instances[0]!.runSync({ inputs: inputs(seed) }).receipt);
    const together = await Promise.all(
      seeds.map((seed, i) => instances[i % 2]!.run({ inputs: inputs(seed), yieldGas: 1n })),
    );
    expect(together.map(({ receipt }) => receipt)).toEqual(alone);
    backend.dispose();
  });

  it("see the memory grow", async () => {
    const backend = await createSimdBackend({ threads: 2, partNs: 0 });
    const bytes = new Uint8Array(4 << 20).fill(7);
    const tensors = Array.from({ length: 8 }, () => backend.upload("i8", [bytes.length], bytes));
    for (const x of tensors) {
      const negated = backend.kernels.unary("neg", x);
      expect(backend.download(negated).every((value) => value === 249)).toBe(true);
    }
    backend.dispose();
  });

  it.each([0, -1, 1.5, Number.NaN])("cannot be %f", async (threads) => {
    await expect(createSimdBackend({ threads })).rejects.toThrow(InputError);
  });

  it("is one on a page that may not share memory", async () => {
    vi.stubGlobal("crossOriginIsolated", false);
    const backend = await createSimdBackend({ threads: 2 });
    expect(backend.threads).toBe(1);
    backend.dispose();
  });

  it("is one where no worker may start", async () => {
    const refusing = vi
      .spyOn(process, "getBuiltinModule")
      .mockReturnValue({ Worker: undefined } as never);
    const backend = await createSimdBackend({ threads: 2 });
    refusing.mockRestore();
    expect(backend.threads).toBe(1);
    backend.dispose();
  });

  it("come from a blob in a page", async () => {
    // A page's worker made of a Node worker that does not know it is one.
    class PageWorker {
      onmessage: ((event: { data: unknown }) => void) | undefined;
      onerror: (() => void) | undefined;
      readonly worker: Promise<Worker>;

      constructor(url: string) {
        const source = resolveObjectURL(url)!.text();
        const shim = `const { parentPort } = require("node:worker_threads");
          process.getBuiltinModule = undefined;
          globalThis.postMessage = (message) => parentPort.postMessage(message);
          parentPort.on("message", (data) => globalThis.onmessage({ data }));`;
        this.worker = source.then((text) => {
          const worker = new Worker(`${shim}\n${text}`, { eval: true });
          worker.on("message", (data) => this.onmessage?.({ data }));
          return worker;
        });
      }
      postMessage(message: unknown): void {
        void this.worker.then((worker) => worker.postMessage(message));
      }
      terminate(): void {
        void this.worker.then((worker) => worker.terminate());
      }
    }
    vi.stubGlobal("Worker", PageWorker);
    const noNode = vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined as never);
    const backend = await createSimdBackend({ threads: 2, partNs: 0 });
    noNode.mockRestore();
    expect(backend.threads).toBe(2);
    const x = backend.upload("i8", [100], new Uint8Array(100).fill(7));
    expect(backend.download(backend.kernels.unary("neg", x))).toEqual(
      new Uint8Array(100).fill(249),
    );
    backend.dispose();
  });

  it("is one where the page refuses the worker", async () => {
    class Refused {
      onerror: (() => void) | undefined;
      postMessage(): void {
        setTimeout(() => this.onerror?.(), 1);
      }
      terminate(): void {}
    }
    vi.stubGlobal("Worker", Refused);
    const noNode = vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined as never);
    const backend = await createSimdBackend({ threads: 2 });
    noNode.mockRestore();
    expect(backend.threads).toBe(1);
    backend.dispose();
  });

  it("end with the backend", async () => {
    const workers: Worker[] = [];
    class Watched extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        workers.push(this);
      }
    }
    const watching = vi
      .spyOn(process, "getBuiltinModule")
      .mockReturnValue({ Worker: Watched } as never);
    const backend = await createSimdBackend({ threads: 3 });
    watching.mockRestore();
    expect(workers.length).toBe(2);
    const exits = workers.map((worker) => once(worker, "exit"));
    backend.dispose();
    await Promise.all(exits);
  });

  it("do not keep a process alive", () => {
    const program = `
      const { createSimdBackend } = await import(${JSON.stringify(new URL("../../../dist/tensor/simd/index.js", import.meta.url).href)});
      const backend = await createSimdBackend({ threads: 3, partNs: 0 });
      const x = backend.upload("i8", [100000], new Uint8Array(100000).fill(7));
      console.log(backend.threads, backend.download(backend.kernels.unary("neg", x))[99999]);`;
    const args = ["--input-type=module", "-e", program];
    expect(execFileSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 })).toBe(
      "3 249\n",
    );
  });
});

it("the program of the workers needs nothing else", () => {
  expect(PARTS_PROGRAM).not.toMatch(/\brequire\(|\bimport\b/);
});
