import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { AggregateRun } from "../../src/vm/aggregate.js";
import type { Instance } from "../../src/vm/instance.js";
import type { RunResult } from "../../src/vm/run.js";
import { assembled } from "../support/assembled.js";

/**
 * A run gives `[mode, …]` of the length that is asked for, or traps; real nodes would differ
 * because one of them cheats, these because of what the test hands them.
 */
const INFERENCE = `
  dimension "N" maximum=9
  entry "main" function=0
    input "x" i32 [1]
    output "y" i32 ["N"]
  aggregate "main" function=0
  function (i32:1)->(i32:1)
    local.get local=0
  end`;

/** The output that most runs gave; the first in the order of hashes of those that tie. */
const MAJORITY = `
  aggregation (i32:2, i64:1, i64:0)->(i32:1)
    local.get local=0
    local.get local=1
    argmax axis=0
    gather axis=0
    reshape dims=[-4]
  end`;

/** The same, if more than two thirds of all runs agree; else trap 3. */
const QUORUM = `
  aggregation (i32:2, i64:1, i64:0)->(i32:1)
    local.get local=2
    scalar dtype=i64 value=2
    mul
    local.get local=1
    reduce.max axes=[0]
    reshape dims=[]
    scalar dtype=i64 value=3
    mul
    lt
    not
    if type=()->()
      trap detail=3
    end
    local.get local=0
    local.get local=1
    argmax axis=0
    gather axis=0
    reshape dims=[-4]
  end`;

const input = { x: { integers: [1], dims: [1] } };

/** A finished run whose output is `values`, as a node that computes something else would report it. */
function reported(instance: Instance, values: readonly number[]): RunResult {
  const { receipt } = instance.runSync({ inputs: input });
  const bytes = new Uint8Array(Int32Array.from(values).buffer);
  const u64 = (n: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(n)).buffer);
  const hash = (...parts: (string | Uint8Array)[]): Buffer =>
    parts.reduce((h, part) => h.update(part), createHash("sha256")).digest();
  const tensor = hash("aivm:tensor:v1\0", Uint8Array.of(4, 1), u64(values.length), bytes);
  const outputHash = hash("aivm:tensors:v1\0", Uint8Array.of(1, 0, 0, 0), tensor).toString("hex");
  const y = { dtype: "i32" as const, shape: [values.length], bytes };
  return { receipt: { ...receipt, outputHash }, outputs: { y } } as unknown as RunResult;
}

const trapped = (instance: Instance): RunResult => instance.runSync({ inputs: input, gas: 0n });
const valuesOf = (result: RunResult): number[] | undefined =>
  result.outputs && Array.from(result.outputs["y"]!.integers as Int32Array);

describe("aggregation", () => {
  test("five runs, one wrong, one trapped: the majority's output", () => {
    const instance = assembled(INFERENCE + MAJORITY);
    const right = reported(instance, [10, 20]);
    const runs = [right, reported(instance, [10, 21]), right, trapped(instance), right];
    const result = instance.aggregate(runs);
    expect(valuesOf(result)).toEqual([10, 20]);
    // local.get, local.get, argmax, gather, reshape, end over y [2,2], votes [2], total
    const BASE = 1_500_000n;
    const argmax = BASE + 2n * 2_500n + 2_000n;
    const gather = BASE + 2n * 1_000n + 5n * 200n;
    expect(result.receipt).toMatchObject({
      part: "aggregation",
      entry: "main",
      status: "finished",
      moduleId: instance.moduleId,
      gasUsed: (3n * 100_000n + argmax + gather + BASE).toString(),
      outputHash: right.receipt.outputHash,
    });
    instance.dispose();
  });

  test("does not depend on the order of the runs", () => {
    const instance = assembled(INFERENCE + MAJORITY);
    const runs = [[1], [2], [3], [2], [4]].map((values) => reported(instance, values));
    const { receipt } = instance.aggregate(runs);
    expect(valuesOf(instance.aggregate(runs))).toEqual([2]);
    for (const order of [
      [4, 3, 2, 1, 0],
      [2, 0, 4, 1, 3],
    ]) {
      expect(instance.aggregate(order.map((i) => runs[i]!)).receipt).toEqual(receipt);
    }
    instance.dispose();
  });

  test("a tie goes to the lowest output hash", () => {
    const instance = assembled(INFERENCE + MAJORITY);
    const [a, b] = [reported(instance, [1, 1]), reported(instance, [2, 2])];
    const lowest = a.receipt.outputHash! < b.receipt.outputHash! ? [1, 1] : [2, 2];
    expect(valuesOf(instance.aggregate([a, b, b, a, trapped(instance)]))).toEqual(lowest);
    expect(valuesOf(instance.aggregate([b, a]))).toEqual(lowest);
    instance.dispose();
  });

  test("outputs of other shapes than the plurality's do not take part", () => {
    const instance = assembled(INFERENCE + MAJORITY);
    const odd = reported(instance, [5, 5, 5]);
    const even = reported(instance, [6]);
    expect(valuesOf(instance.aggregate([odd, even, even]))).toEqual([6]);
    expect(valuesOf(instance.aggregate([odd, odd, even]))).toEqual([5, 5, 5]);
    instance.dispose();
  });

  test("a quorum counts all runs, trapped ones too, and traps where it is missed", () => {
    const instance = assembled(INFERENCE + QUORUM);
    const right = reported(instance, [7]);
    const most = instance.aggregate([right, right, right, right, trapped(instance)]);
    expect(valuesOf(most)).toEqual([7]);
    const few = instance.aggregate([right, right, trapped(instance)]);
    expect(few.outputs).toBeUndefined();
    expect(few.receipt.status).toEqual({ trap: "Unreachable", detail: 3, function: 0, pc: 11 });
    instance.dispose();
  });

  test("refuses what are not runs of one thing", () => {
    const instance = assembled(INFERENCE + MAJORITY);
    const run = reported(instance, [7]);
    const refused: [readonly AggregateRun[], string, RegExp][] = [
      [[], "NoFinishedRun", /none of the 0 runs/],
      [[trapped(instance)], "NoFinishedRun", /none of the 1 runs/],
      [
        [run, { ...run, receipt: { ...run.receipt, seed: "11".repeat(32) } }],
        "Receipt",
        /run 1 has seed/,
      ],
      [
        [{ ...run, receipt: { ...run.receipt, moduleId: "11".repeat(32) } }],
        "Receipt",
        /run 0 has moduleId/,
      ],
      [[run, { ...run, outputs: undefined }], "Outputs", /run 1 finished, but its output "y"/],
      [[{ ...run, receipt: { ...run.receipt, outputHash: "11".repeat(32) } }], "Outputs", /run 0/],
    ];
    for (const [runs, code, message] of refused) {
      expect(() => instance.aggregate(runs)).toThrow(message);
      expect(() => instance.aggregate(runs)).toThrow(
        expect.objectContaining({ name: "InputError", code }),
      );
    }
    instance.dispose();
    const plain = assembled(INFERENCE.replace('aggregate "main" function=0', ""));
    expect(() => plain.aggregate([run])).toThrow(
      expect.objectContaining({ code: "NoAggregation" }),
    );
    plain.dispose();
  });
});
