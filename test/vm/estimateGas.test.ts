import { describe, expect, test } from "vitest";
import { parseAssembly } from "../../src/module/assemble.js";
import { estimateGas } from "../../src/vm/estimateGas.js";
import type { HostIntegers } from "../../src/vm/hostValues.js";
import { assembled } from "../support/assembled.js";

/** Runs a module and estimates it: what both say of the same inputs. */
function both(text: string, inputs: Record<string, HostIntegers>) {
  const instance = assembled(text);
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { dims }]) => [name, dims]));
  const { gasUsed, status } = instance.runSync({ inputs }).receipt;
  const estimate = instance.estimateGas(shapes);
  const alone = estimateGas(parseAssembly(`aivm isa=1 gas=1\n${text}`), shapes);
  expect(alone).toEqual(estimate);
  const module = parseAssembly(`aivm isa=1 gas=1\n${text}`);
  const split = estimateGas(module, shapes, { byInstruction: true });
  expect(split).toMatchObject(estimate);
  if (split.kind !== "unknown") {
    expect(split.byInstruction).toHaveLength(module.functions[0]!.body.length);
    expect(split.byInstruction!.reduce((a, b) => a + b)).toBe(split.gas);
  }
  instance.dispose();
  return { used: BigInt(gasUsed), status, estimate };
}
const zeros = (...dims: number[]): HostIntegers => ({
  integers: new Int8Array(dims.reduce((a, b) => a * b, 1)),
  dims,
});

describe("estimateGas", () => {
  test("is exact for straight code with calls, over any shapes", () => {
    const text = `
      dimension "N" maximum=99
      entry "main" function=0
        input "x" i8 ["N", 6, 6, 2]
        output "y" i32 ["N", 8]
      parameter i8 [3,3,2,4]
        data "${"01".repeat(72)}"
      function (i8:4)->(i32:2)
        local.get local=0
        call function=1
        local.get local=0
        call function=1
        add
        reshape dims=[-3,-1]
        slice starts=[0,-8] ends=[2147483647,2147483647] steps=[1,1]
      end
      function (i8:4)->(i32:4)
        local.get local=0
        const parameter=0
        conv aBits=8 bBits=8 accumulator=i32 strides=[1,1] dilations=[1,1] pads=[0,0,0,0] groups=1 padValue=0
      end`;
    for (const n of [1, 3]) {
      const { used, estimate, status } = both(text, { x: zeros(n, 6, 6, 2) });
      expect(status).toBe("finished");
      expect(estimate).toEqual({ kind: "exact", gas: used });
    }
  });

  test("is exact where locals are taken, read before they are set, and numbers are drawn", () => {
    const text = `
      entry "main" function=0
        input "x" i8 [2, 3]
        output "y" i16 [4]
        output "z" i8 [2, 3]
        output "empty" i32 [0, 0]
      function (i8:2)->(i16:1, i8:2, i32:2)
        locals i32:2, i64:0, i8:2
        local.get local=2
        random dtype=i16 stream=3 dims=[4]
        neg
        local.take local=0
        local.set local=3
        local.take local=3
        neg
        local.get local=0
        drop
        local.get local=1
        neg
      end`;
    const { used, estimate, status } = both(text, { x: zeros(2, 3) });
    expect(status).toBe("finished");
    expect(estimate).toEqual({ kind: "exact", gas: used });
  });

  test("ends where a trap is sure to be", () => {
    const text = `
      entry "main" function=0
        input "x" i8 [2, 3]
        output "y" i8 [2, 3]
      function (i8:2)->(i8:2)
        local.get local=0
        neg
        trap detail=4
      end`;
    const { used, estimate, status } = both(text, { x: zeros(2, 3) });
    expect(status).toMatchObject({ trap: "Unreachable" });
    expect(estimate).toEqual({ kind: "exact", gas: used, trap: "Unreachable" });
  });

  test("follows shapes that are computed from shapes, and loops that count them", () => {
    const text = `
      dimension "N" maximum=99
      entry "main" function=0
        input "x" i8 ["N", 3]
        output "y" i8 [("N"*3+0)/1]
        output "z" i8 ["N"]
      parameter i64 []
        values 3
      parameter i32 [1]
        values 0
      function (i8:2)->(i8:1, i8:1)
        locals i64:1, i8:1
        local.get local=0
        local.get local=0
        shape
        const parameter=1
        gather axis=0
        local.tee local=1
        const parameter=0
        mul
        reshape dims=[-2]
        scalar dtype=i8 value=0
        local.get local=1
        expand dims=[-2]
        local.set local=2
        loop type=()->()
          local.get local=2
          neg
          local.set local=2
          local.get local=1
          scalar dtype=i64 value=1
          sub
          local.tee local=1
          reshape dims=[]
          scalar dtype=i64 value=0
          eq
          not
          br.if label=0
        end
        local.get local=2
      end`;
    for (const n of [1, 7]) {
      const { used, estimate, status } = both(text, { x: zeros(n, 3) });
      expect(status).toBe("finished");
      expect(estimate).toEqual({ kind: "exact", gas: used });
    }
  });

  test("is exact where only the shape of an output depends on values, else unknown", () => {
    const text = (after: string): string => `
      dimension "K" maximum=99
      entry "main" function=0
        input "x" i8 [5]
        output "y" i32 ["K"]
      function (i8:1)->(i32:1)
        local.get local=0
        nonzero
        ${after}
      end`;
    const x = { integers: Int8Array.of(0, 3, 0, -1, 0), dims: [5] };
    const { used, estimate, status } = both(text(""), { x });
    expect(status).toBe("finished");
    expect(estimate).toEqual({ kind: "exact", gas: used });
    expect(both(text("neg"), { x }).estimate).toEqual({
      kind: "unknown",
      reason: "function 0, instruction 2: the shape of x of neg depends on values",
    });
  });

  test("is the dearer arm where values choose", () => {
    const text = `
      entry "main" function=0
        input "c" bool []
        input "x" i64 [100]
        output "y" i64 [100]
      function (bool:0, i64:1)->(i64:1)
        local.get local=1
        local.get local=0
        if type=(i64:1)->(i64:1)
          sqrt.floor
        else
          neg
        end
      end`;
    const x = zeros(100);
    const dear = both(text, { c: { integers: [1], dims: [] }, x });
    const cheap = both(text, { c: { integers: [0], dims: [] }, x });
    expect(dear.estimate).toEqual({ kind: "upperBound", gas: dear.used });
    expect(cheap.estimate).toEqual(dear.estimate);
    expect(cheap.used).toBeLessThan(dear.used);
  });

  test("is unknown where values give a shape or count a loop", () => {
    const shaped = both(
      `
      entry "main" function=0
        input "d" i64 [1]
        output "y" i32 [0]
      function (i64:1)->(i32:1)
        local.get local=0
        iota dims=[-2]
      end`,
      { d: zeros(1) },
    );
    expect(shaped.estimate).toEqual({
      kind: "unknown",
      reason: "function 0, instruction 1: iota takes its shape from values",
    });
    const looped = both(
      `
      entry "main" function=0
        input "c" bool []
      function (bool:0)->()
        loop type=()->()
          local.get local=0
          br.if label=0
        end
      end`,
      { c: zeros() },
    );
    expect(looped.estimate).toMatchObject({ kind: "unknown" });
  });

  test("says where shapes trap", () => {
    const { used, estimate } = both(
      `
      entry "main" function=0
        input "x" i8 [2]
        input "z" i8 [3]
        output "y" i8 [3]
      function (i8:1, i8:1)->(i8:1)
        local.get local=0
        local.get local=1
        add
      end`,
      { x: zeros(2), z: zeros(3) },
    );
    expect(estimate).toEqual({ kind: "exact", gas: used, trap: "ShapeMismatch" });
  });

  test("does not hang on a window of billions of taps, nor on endless code", () => {
    const pooled = both(
      `
      entry "main" function=0
        input "x" i8 [1,1,1,1,1]
        output "y" i8 [1,1,1,1,1]
      parameter i8 [1,1,1,1,1]
        values 1
      function (i8:5)->(i8:5)
        const parameter=0
        pool.max kernel=[1,1,1] strides=[1,1,1] dilations=[1,1,1] pads=[0,0,0,0,0,0]
        drop
        local.get local=0
      end`,
      { x: zeros(1, 1, 1, 1, 1) },
    );
    expect(pooled.estimate).toEqual({ kind: "exact", gas: pooled.used });
    const huge = parseAssembly(`aivm isa=1 gas=1
      entry "main" function=0
        output "y" i8 [1,1,1,1,1]
      parameter i8 [1,1,1,1,1]
        values 1
      function ()->(i8:5)
        const parameter=0
        pool.max kernel=[65535,65535,65535] strides=[1,1,1] dilations=[1,1,1] pads=[65534,65534,65534,0,0,0]
      end`);
    expect(estimateGas(huge, {})).toEqual({
      kind: "exact",
      gas: 2n * 100_000n + 1_500_000n + 12_000n + 190n * (65_535n ** 3n + 4n) + 50n,
    });
    const endless = parseAssembly(`aivm isa=1 gas=1
      entry "main" function=0
      function ()->()
        loop type=()->()
          br label=0
        end
      end`);
    expect(estimateGas(endless, {})).toMatchObject({ kind: "unknown" });
  });

  test("refuses shapes that do not fit the entry", () => {
    const module = parseAssembly(`aivm isa=1 gas=1
      entry "main" function=0
        input "x" i8 [2]
      function (i8:1)->()
      end`);
    const shapes: Record<string, number[]>[] = [{}, { x: [3] }, { x: [2, 1] }, { x: [2], z: [1] }];
    for (const given of shapes) {
      expect(() => estimateGas(module, given)).toThrow(
        expect.objectContaining({ name: "InputError" }),
      );
    }
  });
});
