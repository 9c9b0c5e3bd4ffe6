/** Runs that are recorded and played: the same receipts as instruction by instruction. */
import { describe, expect, test } from "vitest";
import { parseAssembly } from "../../src/module/assemble.js";
import type { Backend } from "../../src/tensor/backend.js";
import { createSimdBackend } from "../../src/tensor/simd/index.js";
import type { Instance } from "../../src/vm/instance.js";
import { instantiate } from "../../src/vm/instance.js";
import { SEGMENT_GAS } from "../../src/vm/plans.js";

const PRODUCT = `aivm isa=1 gas=1
dimension "N" maximum=64
entry "main" function=0
  input "x" i16 ["N", 3]
  output "y" i16 ["N", 2]
parameter i16 [3, 2]
  values 256 -256 128 64 512 0
parameter i32 [2]
  values 8192 -32768
function (i16:2)->(i16:2)
  local.get local=0
  const parameter=0
  matmul aBits=11 bBits=11 accumulator=i32
  const parameter=1
  add
  rescale multiplier=1 shift=8 dtype=i16 zeroPoint=0 lo=0 hi=32767
end`;

/** A backend that counts recordings begun and played. */
async function counted(): Promise<{ backend: Backend; recorded: number; played: number }> {
  const inner = (await createSimdBackend()) as unknown as Backend;
  const counts = { recorded: 0, played: 0, backend: inner };
  const { record } = inner;
  counts.backend = {
    ...inner,
    record() {
      counts.recorded++;
      const recorder = record!();
      const finish = recorder.finish.bind(recorder);
      recorder.finish = (results) => {
        const recording = finish(results);
        if (recording === undefined) return undefined;
        const { begin } = recording;
        return Object.assign(recording, {
          begin(inputs: readonly Uint8Array[]) {
            counts.played++;
            begin(inputs);
          },
        });
      };
      return recorder;
    },
  };
  return counts;
}

const rows = (n: number, first = 1) => ({
  x: { integers: Int16Array.from({ length: 3 * n }, (_, i) => first + 7 * i), dims: [n, 3] },
});

/** The receipt and outputs of a run that nobody records. */
function plainly(instance: Instance, request: Parameters<Instance["start"]>[0]) {
  const { receipt, outputs, statistics } = instance.start(request).finish();
  return { receipt, y: outputs?.["y"]?.integers, statistics };
}

function planned(instance: Instance, request: Parameters<Instance["start"]>[0]) {
  const { receipt, outputs, statistics } = instance.runSync(request);
  return { receipt, y: outputs?.["y"]?.integers, statistics };
}

describe("a plan", () => {
  test("is made for each set of shapes, and does what the instructions do", async () => {
    const counts = await counted();
    const instance = instantiate(parseAssembly(PRODUCT), counts);
    for (const first of [1, -40, 90]) {
      for (const n of [4, 1, 9]) {
        const inputs = rows(n, first);
        expect(planned(instance, { inputs })).toEqual(plainly(instance, { inputs }));
      }
    }
    expect(counts.recorded).toBe(3);
    expect(counts.played).toBe(6);
    instance.dispose();
    expect(counts.backend.statistics().residentBytes).toBe(0);
    counts.backend.dispose();
  });

  test("gives way where a value is out of range, with the trap's own pc and gas", async () => {
    const counts = await counted();
    const instance = instantiate(parseAssembly(PRODUCT), counts);
    planned(instance, { inputs: rows(4) });
    const inputs = rows(4, 1020);
    const result = planned(instance, { inputs });
    expect(counts.played).toBe(1);
    expect(result).toEqual(plainly(instance, { inputs }));
    expect(result.receipt.status).toMatchObject({ trap: "OperandRange", pc: 2 });
    instance.dispose();
    expect(counts.backend.statistics().residentBytes).toBe(0);
    counts.backend.dispose();
  });

  test("is left aside under tighter limits", async () => {
    const counts = await counted();
    const instance = instantiate(parseAssembly(PRODUCT), counts);
    const inputs = rows(4);
    const { receipt, statistics } = planned(instance, { inputs });
    const gas = BigInt(receipt.gasUsed);
    expect(planned(instance, { inputs, gas }).receipt.status).toBe("finished");
    expect(counts.played).toBe(1);
    for (const request of [
      { inputs, gas: gas - 1n },
      { inputs, limits: { memoryBytes: statistics.peakMemoryBytes } },
      { inputs, limits: { stackDepth: 1 } },
      { inputs, limits: { elements: 7 } },
    ]) {
      expect(planned(instance, request)).toEqual(plainly(instance, request));
    }
    expect(counts.played).toBe(1);
    instance.dispose();
    counts.backend.dispose();
  });

  test("belongs to one run at a time", async () => {
    const counts = await counted();
    const instance = instantiate(parseAssembly(PRODUCT), counts);
    const requests = Array.from({ length: 12 }, (_, i) => ({ inputs: rows(1 + (i % 2), i) }));
    const expected = requests.map((request) => plainly(instance, request).receipt);
    for (let round = 0; round < 2; round++) {
      const results = await Promise.all(requests.map((request) => instance.run(request)));
      expect(results.map(({ receipt }) => receipt)).toEqual(expected);
    }
    instance.dispose();
    expect(counts.backend.statistics().residentBytes).toBe(0);
    counts.backend.dispose();
  });

  test("is kept for a bounded number of shapes", async () => {
    const counts = await counted();
    const instance = instantiate(parseAssembly(PRODUCT), counts);
    for (let n = 1; n <= 20; n++) planned(instance, { inputs: rows(n) });
    const held = counts.backend.statistics().residentBytes;
    for (let n = 1; n <= 20; n++) planned(instance, { inputs: rows(n) });
    expect(counts.backend.statistics().residentBytes).toBe(held);
    expect(counts.recorded).toBe(40);
    instance.dispose();
    counts.backend.dispose();
  });

  const FLOW = `aivm isa=1 gas=1
entry "main" function=0
  input "x" bool []
  output "y" i16 []
function (bool:0)->(i16:0)
  local.get local=0
  if type=()->(i16:0)
  scalar dtype=i16 value=7
  else
  scalar dtype=i16 value=9
  end
end`;

  test("gives way where a condition is another, and at last for good", async () => {
    const counts = await counted();
    const instance = instantiate(parseAssembly(FLOW), counts);
    const run = (x: number) =>
      planned(instance, { inputs: { x: { integers: [x], dims: [] } } }).y?.[0];
    const values = [1, 0, 1, ...new Array<number>(20).fill(0), 1];
    expect(values.map(run)).toEqual(values.map((x) => (x === 1 ? 7 : 9)));
    // Eight times in a row it did not hold.
    expect([counts.recorded, counts.played]).toEqual([1, 10]);
    instance.dispose();
    expect(counts.backend.statistics().residentBytes).toBe(0);
    counts.backend.dispose();
  });

  test("holds for shapes that are computed, while they come out the same", async () => {
    const counts = await counted();
    const instance = instantiate(
      parseAssembly(`aivm isa=1 gas=1
dimension "N" maximum=64
dimension "R" maximum=64
entry "main" function=0
  input "x" i16 ["N"]
  input "rows" i64 [1]
  output "y" i16 ["R", "N"]
function (i16:1, i64:1)->(i16:2)
  local.get local=0
  local.get local=1
  local.get local=0
  shape
  concat count=2 axis=0
  expand dims=[-2,-2]
end`),
      counts,
    );
    const request = (rows: number) => ({
      inputs: {
        x: { integers: Int16Array.of(3, -4, 5), dims: [3] },
        rows: { integers: [rows], dims: [1] },
      },
    });
    for (const rows of [2, 2, 5, 2]) {
      expect(planned(instance, request(rows))).toEqual(plainly(instance, request(rows)));
    }
    expect([counts.recorded, counts.played]).toEqual([1, 3]);
    instance.dispose();
    counts.backend.dispose();
  });

  test("is made, and followed, with pauses for the host", async () => {
    const counts = await counted();
    const long = `aivm isa=1 gas=1
dimension "N" maximum=65535
entry "main" function=0
  input "x" i16 ["N", 8]
  output "y" i16 ["N", 8]
function (i16:2)->(i16:2)
  local.get local=0
${"  neg\n".repeat(41)}end`;
    const instance = instantiate(parseAssembly(long), counts);
    const request = (first: number) => ({
      inputs: { x: { integers: new Int16Array(8 * 50_000).fill(first), dims: [50_000, 8] } },
    });
    for (const first of [5, -7, 9]) {
      let turns = 0;
      const turn = setInterval(() => turns++, 0);
      const { receipt, outputs } = await instance.run({
        ...request(first),
        yieldGas: SEGMENT_GAS,
      });
      clearInterval(turn);
      expect(BigInt(receipt.gasUsed)).toBeGreaterThan(3n * SEGMENT_GAS);
      expect(outputs?.["y"]?.integers[399_999]).toBe(-first);
      expect(receipt).toEqual(plainly(instance, request(first)).receipt);
      expect(turns).toBeGreaterThan(0);
    }
    expect([counts.recorded, counts.played]).toEqual([1, 2]);
    instance.dispose();
    counts.backend.dispose();
  });

  test("is not made where randomness depends on the seed", async () => {
    const draw = `aivm isa=1 gas=1
entry "main" function=0
  input "x" i64 []
  output "y" i16 [3]
function (i64:0)->(i16:1)
  local.get local=0
  random dtype=i16 stream=1 dims=[3]
end`;
    const counts = await counted();
    const drawing = instantiate(parseAssembly(draw), counts);
    const inputs = { x: { integers: [5n], dims: [] } };
    const hashes = [1, 2, 1].map(
      (seed) => drawing.runSync({ inputs, seed: new Uint8Array(32).fill(seed) }).receipt.outputHash,
    );
    expect(hashes[2]).toBe(hashes[0]);
    expect(hashes[1]).not.toBe(hashes[0]);
    expect(counts.recorded).toBe(0);
    drawing.dispose();
    counts.backend.dispose();
  });
});
