import { describe, expect, test } from "vitest";
import type { TrapCode } from "../../src/core/errors.js";
import type { HostIntegers } from "../../src/vm/hostValues.js";
import type { Limits } from "../../src/vm/limits.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { Execution } from "../../src/vm/execution.js";
import { readInputs } from "../../src/vm/hostValues.js";
import { resolveLimits } from "../../src/vm/limits.js";
import { linkProgram } from "../../src/vm/program.js";
import { assembled } from "../support/assembled.js";

const scalar = (value: number | bigint | boolean): HostIntegers => ({
  integers: [value] as number[],
  dims: [],
});
const vector = (...values: number[]): HostIntegers => ({ integers: values, dims: [values.length] });

/** Gas by the schedule, written out. */
const STEP = 100_000n;
const CALL = 300_000n;
const BASE = 1_500_000n;
const neg = (bytes: number): bigint => BASE + 150n * BigInt(bytes);

describe("control flow", () => {
  const FACTORIAL = `
    entry "main" function=0
      input "n" i64 []
      output "y" i64 []
    function (i64:0)->(i64:0)
      locals i64:0
      scalar dtype=i64 value=1
      local.set local=1
      block type=()->()
        loop type=()->()
          local.get local=0
          scalar dtype=i64 value=1
          le
          br.if label=1
          local.get local=1
          local.get local=0
          mul
          local.set local=1
          local.get local=0
          scalar dtype=i64 value=1
          sub
          local.set local=0
          br label=0
        end
      end
      local.get local=1
    end`;

  test("a loop counts down", () => {
    const instance = assembled(FACTORIAL);
    const { outputs } = instance.runSync({ inputs: { n: scalar(10) } });
    expect(outputs?.["y"]?.integers).toEqual(BigInt64Array.of(3_628_800n));
    instance.dispose();
  });

  test("gas is the sum over the instructions that ran", () => {
    const instance = assembled(FACTORIAL);
    const { receipt, statistics } = instance.runSync({ inputs: { n: scalar(3) } });
    // Before the loop 4; each of 2 rounds: 8 steps, le, mul, sub; the last: 3 steps and le;
    // after the loop: local.get and the last end. A taken br jumps over the ends of its blocks.
    const light = BASE + 750n + 1_000n; // on i64: 1 element, 1 row
    const mul = BASE + 3_400n;
    const expected =
      4n * STEP + 2n * (10n * STEP + 2n * light + mul) + 3n * STEP + light + 2n * STEP;
    expect(receipt.gasUsed).toBe(expected.toString());
    expect(statistics.instructions).toBe(4 + 2 * 13 + 4 + 2);
    instance.dispose();
  });

  test("if takes the arm of its condition, with and without else", () => {
    const instance = assembled(`
      entry "main" function=0
        input "c" bool []
        output "a" i8 []
        output "b" i8 []
      function (bool:0)->(i8:0, i8:0)
        scalar dtype=i8 value=1
        local.get local=0
        if type=(i8:0)->(i8:0)
          neg
        else
          scalar dtype=i8 value=7
          add
        end
        scalar dtype=i8 value=2
        local.get local=0
        if type=(i8:0)->(i8:0)
          neg
        end
      end`);
    const run = (c: boolean) => {
      const { outputs } = instance.runSync({ inputs: { c: scalar(c) } });
      return [outputs!["a"]!.integers[0], outputs!["b"]!.integers[0]];
    };
    expect(run(true)).toEqual([-1, -2]);
    expect(run(false)).toEqual([8, 2]);
    instance.dispose();
  });

  test("a branch carries its operands and drops those beneath", () => {
    const instance = assembled(`
      entry "main" function=0
        output "y" i8 []
      function ()->(i8:0)
        scalar dtype=i8 value=1
        block type=()->(i8:0)
          scalar dtype=i8 value=2
          scalar dtype=i8 value=3
          scalar dtype=i8 value=4
          br label=0
        end
        add
      end`);
    expect(instance.runSync({}).outputs?.["y"]?.integers).toEqual(Int8Array.of(5));
    instance.dispose();
  });

  test("functions call one another and return from within blocks", () => {
    const instance = assembled(`
      entry "main" function=0
        input "n" i32 []
        output "y" i32 []
      function (i32:0)->(i32:0)
        local.get local=0
        call function=1
        scalar dtype=i32 value=100
        add
      end
      function (i32:0)->(i32:0)
        scalar dtype=i32 value=9
        local.get local=0
        scalar dtype=i32 value=0
        le
        if type=()->()
          scalar dtype=i32 value=0
          return
        end
        drop
        local.get local=0
        local.get local=0
        scalar dtype=i32 value=1
        sub
        call function=1
        add
      end`);
    expect(instance.runSync({ inputs: { n: scalar(4) } }).outputs?.["y"]?.integers).toEqual(
      Int32Array.of(110),
    );
    instance.dispose();
  });

  test("locals begin empty, or zero; local.take puts that back; local.tee copies", () => {
    const instance = assembled(
      `
      entry "main" function=0
        input "x" i8 ["N"]
        output "before" i64 [1]
        output "taken" i8 ["N"]
        output "after" i64 [1]
        output "zero" i16 []
      function (i8:1)->(i64:1, i8:1, i64:1, i16:0)
        locals i8:1, i16:0
        local.get local=1
        shape
        local.get local=0
        local.tee local=1
        drop
        local.take local=1
        local.get local=1
        shape
        local.get local=2
      end`.replace("entry", 'dimension "N" maximum=9\n entry'),
    );
    const { outputs } = instance.runSync({ inputs: { x: vector(5, 6) } });
    expect(outputs!["before"]!.integers).toEqual(BigInt64Array.of(0n));
    expect(outputs!["taken"]!.integers).toEqual(Int8Array.of(5, 6));
    expect(outputs!["after"]!.integers).toEqual(BigInt64Array.of(0n));
    expect(outputs!["zero"]!.integers).toEqual(Int16Array.of(0));
    instance.dispose();
  });
});

const TRAPS: Record<
  TrapCode,
  {
    text: string;
    inputs?: Record<string, HostIntegers>;
    limits?: Partial<Limits>;
    /** pc of the instruction, and gas charged when it trapped. */
    pc: number;
    gas: bigint;
    detail?: number;
  }
> = {
  Unreachable: {
    text: `
      entry "main" function=0
      function ()->()
        trap detail=77
      end`,
    pc: 0,
    gas: STEP,
    detail: 77,
  },
  ShapeMismatch: {
    text: `
      dimension "N" maximum=9
      dimension "M" maximum=9
      entry "main" function=0
        input "x" i8 ["N"]
        input "z" i8 ["M"]
        output "y" i8 ["N"]
      function (i8:1, i8:1)->(i8:1)
        local.get local=0
        local.get local=1
        add
      end`,
    inputs: { x: vector(1, 2), z: vector(1, 2, 3) },
    pc: 2,
    gas: 2n * STEP, // shapes come before gas
  },
  OperandRange: {
    text: `
      entry "main" function=0
        input "x" i8 [1,2]
        output "y" i32 [1,1]
      parameter i8 [2,1]
        values 7 -8
      function (i8:2)->(i32:2)
        local.get local=0
        const parameter=0
        matmul aBits=4 bBits=4 accumulator=i32
      end`,
    inputs: { x: { integers: [7, 8], dims: [1, 2] } },
    pc: 2,
    // 1 row of 8 columns: K 2 at 25, 8 sums at 800, 1 matrix, 4 operand elements at 600
    gas: 2n * STEP + BASE + 25n * 8n * 2n + 800n * 8n + 75_000n + 4n * 600n,
  },
  AccumulatorBound: {
    text: `
      entry "main" function=0
        input "x" i16 [1,2]
        input "w" i16 [2,1]
        output "y" i32 [1,1]
      function (i16:2, i16:2)->(i32:2)
        local.get local=0
        local.get local=1
        matmul aBits=16 bBits=16 accumulator=i32
      end`,
    inputs: { x: { integers: [0, 0], dims: [1, 2] }, w: { integers: [0, 0], dims: [2, 1] } },
    pc: 2,
    gas: 2n * STEP, // 2 · 2^15 · 2^15 is not an i32, whatever the values
  },
  IndexOutOfRange: {
    text: `
      entry "main" function=0
        input "x" i8 [3]
        input "i" i32 [1]
        output "y" i8 [1]
      function (i8:1, i32:1)->(i8:1)
        local.get local=0
        local.get local=1
        gather axis=0
      end`,
    inputs: { x: vector(1, 2, 3), i: vector(3) },
    pc: 2,
    gas: 2n * STEP + BASE + 1_000n + 4n * 200n,
  },
  OutOfGas: {
    text: `
      entry "main" function=0
        input "x" i8 [2]
        output "y" i8 [2]
      function (i8:1)->(i8:1)
        local.get local=0
        neg
      end`,
    inputs: { x: vector(1, 2) },
    limits: { gas: STEP + neg(2) - 1n },
    pc: 1,
    gas: STEP, // what cannot be paid is not charged
  },
  MemoryLimit: {
    text: `
      entry "main" function=0
        input "x" i64 [2]
        output "y" i64 [2]
      function (i64:1)->(i64:1)
        local.get local=0
        neg
        local.take local=0
        drop
        neg
      end`,
    inputs: { x: vector(1, 2) },
    limits: { memoryBytes: 31 },
    pc: 1,
    gas: STEP + neg(16),
  },
  StackLimit: {
    text: `
      entry "main" function=0
        input "x" i64 [2]
      function (i64:1)->()
        locals i8:0
        local.get local=0
        local.get local=0
        drop
        drop
      end`,
    inputs: { x: vector(1, 2) },
    limits: { stackDepth: 3 },
    pc: 1,
    gas: 2n * STEP,
  },
  CallDepth: {
    text: `
      entry "main" function=0
      function ()->()
        call function=0
      end`,
    limits: { callDepth: 3 },
    pc: 0,
    gas: 3n * CALL,
  },
  ElementLimit: {
    text: `
      entry "main" function=0
        output "y" i32 [8]
      function ()->(i32:1)
        iota dims=[8]
      end`,
    limits: { elements: 7 },
    pc: 0,
    gas: BASE + 8n * 300n + 32n * 150n,
  },
};

describe("traps", () => {
  for (const [code, { text, inputs, limits, pc, gas, detail }] of Object.entries(TRAPS)) {
    test(`${code}: code, place and gas`, () => {
      const instance = assembled(text);
      const result = instance.runSync({ inputs, limits });
      expect(result.receipt.status).toEqual({
        trap: code,
        ...(detail === undefined ? {} : { detail }),
        function: 0,
        pc,
      });
      expect(result.receipt.gasUsed).toBe(gas.toString());
      expect(result.receipt.outputHash).toBeUndefined();
      expect(result.outputs).toBeUndefined();
      expect(result.trap?.code).toBe(code);
      instance.dispose();
    });
  }

  test("at one unit more the limits hold", () => {
    for (const [code, more] of [
      ["OutOfGas", { gas: STEP + neg(2) + STEP }],
      ["MemoryLimit", { memoryBytes: 32 }],
      ["StackLimit", { stackDepth: 4 }],
      ["ElementLimit", { elements: 8 }],
    ] as const) {
      const instance = assembled(TRAPS[code].text);
      const { receipt } = instance.runSync({ inputs: TRAPS[code].inputs, limits: more });
      expect(receipt.status, code).toBe("finished");
      instance.dispose();
    }
  });

  test("a trap leaves no effect: stack, references and live bytes are as before", () => {
    for (const code of [
      "ShapeMismatch",
      "OutOfGas",
      "MemoryLimit",
      "OperandRange",
      "IndexOutOfRange",
    ] as const) {
      const { text, inputs, limits, pc } = TRAPS[code];
      const backend = createReferenceBackend();
      const program = linkProgram(parseAssembly(`aivm isa=1 gas=1\n${text}`), backend);
      const { entries, dimensions } = program.module.configuration;
      const execution = new Execution(
        {
          functions: program.inference,
          entry: program.inference[0]!,
          backend,
          constants: program.constants,
          limits: resolveLimits(limits),
          seed: new Uint8Array(32),
          checkResults: () => undefined,
        },
        readInputs(entries[0]!, dimensions, inputs ?? {}).tensors,
      );
      while (execution.next?.pc !== pc) execution.step();
      const snapshot = () => ({
        operands: execution.stack.map((x) => [x, x.refs, program.backend.download(x)]),
        resident: backend.statistics().residentBytes,
        instructions: execution.instructions,
      });
      const before = snapshot();
      execution.step();
      expect(execution.outcome).toMatchObject({ code });
      expect(snapshot(), code).toEqual(before);
      // That was the end: nothing comes next, nothing comes out, and a further step does nothing.
      expect(execution.next).toBeUndefined();
      expect(execution.outputs()).toEqual([]);
      execution.step();
      expect(snapshot(), code).toEqual(before);
      execution.dispose();
    }
  });

  test("each check comes before the next: shapes, gas, limits, values", () => {
    const text = `
      entry "main" function=0
        input "x" i8 [1,2]
        input "w" i8 ["N",1]
        output "y" i32 [1,1]
      function (i8:2, i8:2)->(i32:2)
        local.get local=0
        local.get local=1
        matmul aBits=4 bBits=4 accumulator=i32
      end`.replace("entry", 'dimension "N" maximum=9\n entry');
    const instance = assembled(text);
    const run = (rows: number, limits: Partial<Limits>): unknown => {
      const w = { integers: new Int8Array(rows), dims: [rows, 1] };
      const x = { integers: [100, 100], dims: [1, 2] }; // beyond 4 bits
      const { status } = instance.runSync({ inputs: { x, w }, limits }).receipt;
      return typeof status === "object" ? status.trap : status;
    };
    const none = { gas: 2n * STEP, memoryBytes: 4, stackDepth: 4, elements: 3 };
    expect(run(3, { ...none, memoryBytes: 7 })).toBe("ShapeMismatch");
    expect(run(2, none)).toBe("OutOfGas");
    expect(run(2, { memoryBytes: 7 })).toBe("MemoryLimit");
    expect(run(2, {})).toBe("OperandRange");
    instance.dispose();
  });

  test("inputs are held against the limits before the first instruction", () => {
    const instance = assembled(TRAPS.OutOfGas.text);
    for (const [limits, trap] of [
      [{ memoryBytes: 1 }, "MemoryLimit"],
      [{ elements: 1 }, "ElementLimit"],
      [{ stackDepth: 0 }, "StackLimit"],
    ] as const) {
      const { receipt } = instance.runSync({ inputs: { x: vector(1, 2) }, limits });
      expect(receipt.status).toEqual({ trap, function: 0, pc: 0 });
      expect(receipt.gasUsed).toBe("0");
    }
    instance.dispose();
  });

  test("a trap over the inputs is at the entry's function, whichever that is", () => {
    const instance = assembled(`
      entry "main" function=1
        input "x" i8 [2]
        output "y" i8 [2]
      function ()->()
      end
      function (i8:1)->(i8:1)
        local.get local=0
      end`);
    const inputs = { x: vector(1, 2) };
    const { receipt, trap } = instance.runSync({ inputs, limits: { memoryBytes: 1 } });
    expect(receipt.status).toEqual({ trap: "MemoryLimit", function: 1, pc: 0 });
    expect(trap?.place).toEqual({ function: 1, pc: 0, op: "local.get" });
    instance.dispose();
  });

  test("an output that is not of its declared shape is a trap at the instruction that ends the run", () => {
    const instance = assembled(`
      dimension "N" maximum=9
      entry "main" function=0
        input "x" i8 ["N"]
        output "y" i8 [("N"*2+0)/1]
      function (i8:1)->(i8:1)
        local.get local=0
      end`);
    const { receipt, trap } = instance.runSync({ inputs: { x: vector(1, 2) } });
    expect(receipt.status).toEqual({ trap: "ShapeMismatch", function: 0, pc: 1 });
    expect(trap?.message).toContain('"y"');
    instance.dispose();
  });

  test("a shape operand of more entries than there are ranks is a mismatch", () => {
    const instance = assembled(`
      dimension "N" maximum=1000
      entry "main" function=0
        input "x" i8 [1]
        input "d" i64 ["N"]
        output "y" i8 [3]
      function (i8:1, i64:1)->(i8:1)
        local.get local=0
        local.get local=1
        expand dims=[-2]
      end`);
    const run = (...d: number[]): unknown =>
      instance.runSync({ inputs: { x: vector(4), d: vector(...d) } }).outputs?.["y"]?.integers;
    expect(run(3)).toEqual(Int8Array.of(4, 4, 4));
    expect(run(3, 3)).toBeUndefined();
    expect(run(...new Array<number>(100).fill(3))).toBeUndefined();
    expect(run(-1)).toBeUndefined();
    instance.dispose();
  });
});

describe("memory", () => {
  test("counts distinct tensors: copies on the stack are one, a reshape is one of its own", () => {
    const instance = assembled(`
      entry "main" function=0
        input "x" i64 [2]
        output "y" i64 [2,1]
      function (i64:1)->(i64:2)
        local.get local=0
        local.get local=0
        drop
        reshape dims=[2,1]
      end`);
    const { statistics } = instance.runSync({ inputs: { x: vector(1, 2) } });
    expect(statistics.peakMemoryBytes).toBe(32);
    instance.dispose();
  });

  test("parameters, scalars and initial locals are the instance's", () => {
    const instance = assembled(`
      entry "main" function=0
        output "y" i8 [1]
      parameter i8 [1]
        values 5
      function ()->(i8:1)
        locals i8:1, i64:0
        local.get local=0
        local.get local=1
        scalar dtype=i64 value=9
        drop
        drop
        drop
        const parameter=0
      end`);
    const { statistics, outputs } = instance.runSync({});
    expect(statistics.peakMemoryBytes).toBe(0);
    expect(outputs?.["y"]?.integers).toEqual(Int8Array.of(5));
    instance.dispose();
  });

  test("all is given back, whether a run finished, trapped or was given up", () => {
    for (const { text, inputs, limits } of Object.values(TRAPS)) {
      const instance = assembled(text);
      const { backend } = instance;
      // Parameters and scalars stay until the instance goes.
      instance.runSync({ inputs, limits });
      const kept = backend.statistics().residentBytes;
      instance.runSync({ inputs, limits });
      instance.runSync({ inputs });
      const run = instance.start({ inputs });
      run.step();
      run.dispose();
      expect(backend.statistics().residentBytes).toBe(kept);
      instance.dispose();
      expect(backend.statistics().residentBytes).toBe(0);
    }
  });
});

describe("random", () => {
  const text = `
    entry "main" function=0
      input "c" i64 []
      output "y" u8 [2,20]
    function (i64:0)->(u8:2)
      local.get local=0
      random dtype=u8 stream=7 dims=[2,20]
    end`;

  test("is SHA-256 of seed, stream, counter and block number", async () => {
    const { createHash } = await import("node:crypto");
    const instance = assembled(text);
    const seed = new Uint8Array(32).map((_, i) => i);
    const { outputs, receipt } = instance.runSync({ inputs: { c: scalar(-2) }, seed });
    const block = (n: number): Buffer => {
      const tail = Buffer.alloc(20);
      tail.writeUInt32LE(7, 0);
      tail.writeBigInt64LE(-2n, 4);
      tail.writeBigUInt64LE(BigInt(n), 12);
      return createHash("sha256").update(seed).update(tail).digest();
    };
    const expected = Buffer.concat([block(0), block(1)]).subarray(0, 40);
    expect(Buffer.from(outputs!["y"]!.bytes)).toEqual(expected);
    expect(receipt.seed).toBe(Buffer.from(seed).toString("hex"));
    expect(receipt.gasUsed).toBe((STEP + 2_000_000n + 40n * 40_000n + STEP).toString());
    instance.dispose();
  });

  test("differs by seed and counter, and by nothing else", () => {
    const instance = assembled(text);
    const draw = (c: number, seed: string): string | undefined =>
      instance.runSync({ inputs: { c: scalar(c) }, seed }).receipt.outputHash;
    const zeros = "00".repeat(32);
    expect(draw(1, zeros)).toBe(draw(1, zeros));
    expect(draw(1, zeros)).not.toBe(draw(2, zeros));
    expect(draw(1, zeros)).not.toBe(draw(1, `01${"00".repeat(31)}`));
    instance.dispose();
  });
});
