import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { HostError, InputError } from "../../src/core/errors.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { encodeModule } from "../../src/module/encode.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { instantiate } from "../../src/vm/instance.js";
import type { Receipt } from "../../src/vm/receipt.js";
import { receiptHash } from "../../src/vm/receipt.js";
import type { RunResult } from "../../src/vm/run.js";
import type { StepEvent } from "../../src/vm/trace.js";
import { assembled } from "../support/assembled.js";

/** Counts down from n, and draws: long where n is large. */
const COUNTDOWN = `
  entry "count" function=0
    input "n" i64 []
    output "y" i64 []
  function (i64:0)->(i64:0)
    locals i64:0
    loop type=()->()
      local.get local=0
      random dtype=i64 stream=1 dims=[]
      local.get local=1
      xor
      local.set local=1
      local.get local=0
      scalar dtype=i64 value=1
      sub
      local.tee local=0
      scalar dtype=i64 value=0
      eq
      not
      br.if label=0
    end
    local.get local=1
  end`;
const from = (n: number) => ({ n: { integers: [n], dims: [] } });

describe("run", () => {
  test("lets the host's event loop turn, and still gives what runSync gives", async () => {
    const instance = assembled(COUNTDOWN);
    let turns = 0;
    let running = true;
    const tick = (): void => {
      turns++;
      if (running) setImmediate(tick);
    };
    setImmediate(tick);
    const slow = await instance.run({ inputs: from(200), yieldGas: 50_000_000n });
    running = false;
    expect(turns).toBeGreaterThan(10);
    expect(slow.receipt).toEqual(instance.runSync({ inputs: from(200) }).receipt);
    instance.dispose();
  });

  test("runs at once do not disturb each other", async () => {
    const instance = assembled(COUNTDOWN);
    const counts = [50, 80, 50, 120, 10];
    const alone = counts.map((n) => instance.runSync({ inputs: from(n) }).receipt);
    const together = await Promise.all(
      counts.map((n, i) => instance.run({ inputs: from(n), yieldGas: BigInt(i + 1) * 7_000_000n })),
    );
    expect(together.map(({ receipt }) => receipt)).toEqual(alone);
    instance.dispose();
  });

  test("honours an abort signal before and during the run", async () => {
    const instance = assembled(COUNTDOWN);
    const kept = (await instance.run({ inputs: from(1) })) && instance.backend.statistics();
    const controller = new AbortController();
    const endless = instance.run({
      inputs: from(0),
      yieldGas: 1_000_000n,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort("enough"), 1);
    await expect(endless).rejects.toMatchObject({ code: "Aborted", cause: "enough" });
    await expect(endless).rejects.toBeInstanceOf(HostError);
    await expect(
      instance.run({ inputs: from(1), signal: controller.signal }),
    ).rejects.toMatchObject({ code: "Aborted" });
    expect(instance.backend.statistics().residentBytes).toBe(kept.residentBytes);
    instance.dispose();
  });

  test("can be paused at any instruction and resumed", () => {
    const instance = assembled(COUNTDOWN);
    const run = instance.start({ inputs: from(3) });
    expect(() => run.result()).toThrow(InputError);
    const positions: (number | undefined)[] = [];
    while (!run.done) {
      positions.push(run.position?.pc);
      if (positions.length === 20) instance.runSync({ inputs: from(9) });
      run.step();
    }
    expect(positions.slice(0, 15)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 1]);
    expect(run.result().receipt).toEqual(instance.runSync({ inputs: from(3) }).receipt);
    expect(run.result()).toBe(run.result());
    instance.dispose();
  });

  test("an instance that was disposed of lets its runs end and takes no new ones", async () => {
    const instance = assembled(COUNTDOWN);
    const under = instance.run({ inputs: from(30), yieldGas: 1_000_000n });
    instance.dispose();
    expect(() => instance.start({ inputs: from(1) })).toThrow(
      expect.objectContaining({ code: "Disposed" }),
    );
    expect((await under).receipt.status).toBe("finished");
    expect(instance.backend.statistics().residentBytes).toBe(0);
  });

  test("ends its own backend with its last run, and no other", async () => {
    for (const ownsBackend of [true, false]) {
      const backend = createReferenceBackend();
      const { dispose } = backend;
      let ended = 0;
      backend.dispose = () => {
        ended++;
        dispose();
      };
      const module = parseAssembly(`aivm isa=1 gas=1\n${COUNTDOWN}`);
      const instance = instantiate(module, { backend, ownsBackend });
      expect(instance.module.configuration).toEqual(module.configuration);
      const under = instance.run({ inputs: from(30), yieldGas: 1_000_000n });
      instance.dispose();
      instance.dispose();
      expect(ended).toBe(0);
      expect((await under).receipt.status).toBe("finished");
      expect(ended).toBe(ownsBackend ? 1 : 0);
    }
  });

  test("a run that was given up does not go on", () => {
    const instance = assembled(COUNTDOWN);
    const run = instance.start({ inputs: from(3) });
    run.step();
    run.dispose();
    for (const use of [() => run.step(), () => run.finish()]) {
      expect(use).toThrow(expect.objectContaining({ name: "InputError", code: "Disposed" }));
    }
    instance.dispose();
  });

  test("refuses an entry, a seed or a limit that cannot be", async () => {
    const instance = assembled(COUNTDOWN);
    const refused: [object, string, RegExp][] = [
      [{ entry: "main" }, "Entry", /no entry "main"; it has "count"/],
      [{ seed: "12" }, "Seed", /32 bytes/],
      [{ seed: new Uint8Array(31) }, "Seed", /32 bytes/],
      [{ gas: -1n }, "Limit", /gas/],
      [{ gas: 1n << 64n }, "Limit", /gas/],
      [{ gas: 0.5 }, "Limit", /gas/],
      [{ limits: { memoryBytes: -1 } }, "Limit", /memoryBytes/],
      [{ limits: { callDepth: 0 } }, "Limit", /callDepth/],
      [{ limits: { memory: 1 } }, "Limit", /no limit "memory"/],
    ];
    for (const [options, code, message] of refused) {
      const start = () => instance.start({ inputs: from(1), ...options });
      expect(start).toThrow(message);
      expect(start).toThrow(expect.objectContaining({ name: "InputError", code }));
    }
    const yieldGas = 5 as unknown as bigint;
    await expect(instance.run({ inputs: from(1), yieldGas })).rejects.toMatchObject({
      ...{ name: "InputError", code: "Limit" },
      message: "yieldGas is 5; it must be a bigint",
    });
    instance.dispose();
  });

  test("a backend that has no memory is a host error, one with a bug an internal error", () => {
    const module = parseAssembly(`aivm isa=1 gas=1\n${COUNTDOWN}`);
    const failing = (error: Error) => {
      const backend = createReferenceBackend();
      const kernels = { ...backend.kernels };
      kernels.binary = () => {
        throw error;
      };
      return instantiate(module, { backend: { ...backend, kernels } });
    };
    const run = (error: Error) => () => failing(error).runSync({ inputs: from(1) });
    expect(run(new RangeError("Array buffer allocation failed"))).toThrow(
      expect.objectContaining({ name: "HostError", code: "OutOfMemory" }),
    );
    expect(run(new HostError("OutOfMemory", "no memory"))).toThrow(
      expect.objectContaining({ name: "HostError", code: "OutOfMemory" }),
    );
    expect(run(new TypeError("x is undefined"))).toThrow(
      expect.objectContaining({ name: "InternalError", place: { function: 0, pc: 4, op: "xor" } }),
    );
  });

  test("parameters that the module does not carry come from a store", () => {
    const text = `aivm isa=1 gas=1
      entry "main" function=0
        output "y" i8 [3]
      parameter i8 [3]
        values 1 2 3
      function ()->(i8:1)
        const parameter=0
      end`;
    const module = parseAssembly(text);
    const bytes = encodeModule({ ...module, parameterData: [undefined] });
    const root = Buffer.from(module.parameters[0]!.root).toString("hex");
    const backend = createReferenceBackend();
    expect(() => instantiate(bytes, { backend })).toThrow(
      expect.objectContaining({ name: "LinkError" }),
    );
    const parameters = new Map([[root, Uint8Array.of(1, 2, 3)]]);
    const instance = instantiate(bytes, { backend, parameters });
    expect(instance.runSync({}).outputs?.["y"]?.integers).toEqual(Int8Array.of(1, 2, 3));
    expect(instance.moduleId).toBe(instantiate(module, { backend }).moduleId);
  });
});

describe("hooks", () => {
  const TEXT = `
    entry "main" function=0
      input "x" i8 [1,2]
      output "y" i32 [1,1]
    parameter i8 [2,1]
      values 3 4
    function (i8:2)->(i32:2)
      local.get local=0
      const parameter=0
      call function=1
    end
    function (i8:2, i8:2)->(i32:2)
      local.get local=0
      local.get local=1
      matmul aBits=8 bBits=8 accumulator=i32
    end`;
  const inputs = { x: { integers: [5, 6], dims: [1, 2] } };

  test("see each instruction once, with its place, shapes and gas", () => {
    const instance = assembled(TEXT);
    const seen: string[] = [];
    const sums: bigint[] = [];
    let gas = 0n;
    const onStep = (event: StepEvent): void => {
      seen.push(`${event.depth} ${event.function}:${event.pc} ${event.op}`);
      gas += event.gas;
      expect(event.gasUsed).toBe(gas);
      if (event.op !== "matmul") return;
      expect(event.operands).toEqual([
        { dtype: "i8", shape: [1, 2] },
        { dtype: "i8", shape: [2, 1] },
      ]);
      expect(event.results).toEqual([{ dtype: "i32", shape: [1, 1] }]);
      sums.push(BigInt(new Int32Array(event.read(0).bytes.buffer)[0]!));
    };
    const { receipt } = instance.runSync({ inputs, onStep });
    expect(seen).toEqual([
      "1 0:0 local.get",
      "1 0:1 const",
      "1 0:2 call",
      "2 1:0 local.get",
      "2 1:1 local.get",
      "2 1:2 matmul",
      "2 1:3 end",
      "1 0:3 end",
    ]);
    expect(sums).toEqual([39n]);
    expect(receipt.gasUsed).toBe(gas.toString());
    expect(receipt).toEqual(instance.runSync({ inputs }).receipt);
    instance.dispose();
  });

  test("do not see the instruction that traps, and may throw themselves", () => {
    const instance = assembled(TEXT);
    const ops: string[] = [];
    const gas = 800_000n;
    instance.runSync({ inputs, gas, onStep: ({ op }) => ops.push(op) });
    expect(ops).toEqual(["local.get", "const", "call", "local.get", "local.get"]);
    const stop = new Error("seen enough");
    const onStep = (): never => {
      throw stop;
    };
    expect(() => instance.runSync({ inputs, onStep })).toThrow(stop);
    instance.dispose();
    expect(instance.backend.statistics().residentBytes).toBe(0);
  });
});

describe("receipts", () => {
  const sha256 = (...parts: Uint8Array[]): Buffer => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const u = (value: number | bigint, bytes: number): Buffer => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(BigInt(value));
    return buffer.subarray(0, bytes);
  };

  const NEGATE = `
    entry "main" function=0
      input "x" i16 [2,1]
      output "y" i16 [2,1]
    function (i16:2)->(i16:2)
      local.get local=0
      neg
    end`;
  const negate = (gas?: bigint): RunResult => {
    const instance = assembled(NEGATE);
    const x = { integers: [1, -2], dims: [2, 1] };
    const result = instance.runSync({ inputs: { x }, gas, seed: "ab".repeat(32) });
    instance.dispose();
    return result;
  };
  const hashOf = (...values: [number, number]): Buffer => {
    const bytes = Buffer.from(Int16Array.from(values).buffer);
    const head = Buffer.concat([Buffer.of(3, 2), u(2, 8), u(1, 8)]); // i16 has code 3
    const tensor = sha256(Buffer.from("aivm:tensor:v1\0"), head, bytes);
    return sha256(Buffer.from("aivm:tensors:v1\0"), u(1, 4), tensor);
  };

  test("say what ran, on what, under which limits, and how it ended", () => {
    const { receipt } = negate();
    expect(receipt).toEqual({
      moduleId: assembled(NEGATE).moduleId,
      entry: "main",
      part: "inference",
      seed: "ab".repeat(32),
      limits: {
        gas: "1000000000000000",
        memoryBytes: 4_294_967_296,
        stackDepth: 65_536,
        callDepth: 256,
        elements: 536_870_912,
      },
      inputHash: hashOf(1, -2).toString("hex"),
      status: "finished",
      outputHash: hashOf(-1, 2).toString("hex"),
      gasUsed: "1700600", // 2 · 100,000 + 1,500,000 + 4 · 150
      isaVersion: 1,
      gasVersion: 1,
    });
    expect(JSON.parse(JSON.stringify(receipt))).toEqual(receipt);
  });

  test("have a hash over a fixed layout of all their fields", () => {
    for (const { receipt } of [negate(), negate(150_000n)]) {
      const { limits, status } = receipt;
      const trapped = status !== "finished";
      const expected = sha256(
        Buffer.from("aivm:receipt:v1\0"),
        Buffer.from(receipt.moduleId, "hex"),
        u(4, 4),
        Buffer.from("main"),
        u(0, 1),
        Buffer.from(receipt.seed, "hex"),
        u(BigInt(limits.gas), 8),
        u(limits.memoryBytes, 8),
        u(limits.stackDepth, 8),
        u(limits.callDepth, 8),
        u(limits.elements, 8),
        Buffer.from(receipt.inputHash, "hex"),
        u(trapped ? 6 : 0, 1), // OutOfGas
        u(0, 4),
        u(0, 4),
        u(trapped ? 1 : 0, 4),
        trapped ? Buffer.alloc(32) : Buffer.from(receipt.outputHash!, "hex"),
        u(BigInt(receipt.gasUsed), 8),
        u(1, 4),
        u(1, 4),
      );
      expect(Buffer.from(receiptHash(receipt))).toEqual(expected);
    }
  });

  test("have another hash when any field is another", () => {
    const { receipt } = negate();
    const changed: Receipt[] = [
      { ...receipt, moduleId: "00".repeat(32) },
      { ...receipt, entry: "mainx" },
      { ...receipt, part: "aggregation" },
      { ...receipt, seed: "00".repeat(32) },
      { ...receipt, limits: { ...receipt.limits, gas: "1" } },
      { ...receipt, limits: { ...receipt.limits, elements: 1 } },
      { ...receipt, inputHash: "00".repeat(32) },
      { ...receipt, outputHash: "00".repeat(32) },
      { ...receipt, status: { trap: "Unreachable", function: 0, pc: 0 } },
      { ...receipt, status: { trap: "Unreachable", detail: 1, function: 0, pc: 0 } },
      { ...receipt, status: { trap: "Unreachable", function: 1, pc: 0 } },
      { ...receipt, status: { trap: "Unreachable", function: 0, pc: 1 } },
      { ...receipt, gasUsed: "1" },
      { ...receipt, isaVersion: 2 },
      { ...receipt, gasVersion: 2 },
    ];
    const hashes = [receipt, ...changed].map((r) => Buffer.from(receiptHash(r)).toString("hex"));
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test("that are none are refused", () => {
    const { receipt } = negate();
    for (const wrong of [
      { ...receipt, moduleId: "12" },
      { ...receipt, gasUsed: "-1" },
      { ...receipt, gasUsed: "18446744073709551616" },
      { ...receipt, part: "other" as "inference" },
      { ...receipt, status: { trap: "Nothing" as "OutOfGas", function: 0, pc: 0 } },
    ]) {
      expect(() => receiptHash(wrong)).toThrow(expect.objectContaining({ code: "Receipt" }));
    }
  });
});
