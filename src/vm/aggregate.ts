/** From the outputs of several runs to the inputs of the code that makes one of them. */
import { InputError } from "../core/errors.js";
import { byteLength, sameShape } from "../core/shape.js";
import type { EntryPoint, NamedDimension } from "../module/module.js";
import { DimensionBindings } from "./dimensions.js";
import type { Program } from "./program.js";
import { findEntry } from "./program.js";
import type { RawTensor } from "./rawTensor.js";
import { rawTensor } from "./rawTensor.js";
import type { Receipt } from "./receipt.js";
import type { RunOptions, RunTarget } from "./run.js";
import { hashOf } from "./run.js";

/** What one node hands in: a `RunResult` will do. */
export interface AggregateRun {
  readonly receipt: Receipt;
  /** Outputs by name; of trapped runs none. */
  readonly outputs?: Readonly<Record<string, RawTensor>> | undefined;
}

export interface AggregateOptions extends RunOptions {
  /** The first entry when absent. */
  readonly entry?: string | undefined;
}

/** One of the distinct outputs. */
interface Candidate {
  readonly hash: string;
  /** In the order of the ports. */
  readonly tensors: readonly RawTensor[];
  votes: number;
}

/**
 * The run of the aggregation code. Equal outputs of finished runs are one candidate, which has as
 * many votes as runs gave it. Of the candidates in the order of their output hashes, those stay
 * whose shapes are those of the one with the most votes (of equals the lowest hash). Each output is
 * stacked over them along a new first axis; then come `votes` and `total`, which counts all runs.
 * @throws InputError
 */
export function aggregationTarget(
  { module, moduleId, aggregation }: Program,
  runs: readonly AggregateRun[],
  entryName: string | undefined,
): RunTarget {
  const { configuration } = module;
  const entry = findEntry(configuration, entryName);
  const index = configuration.entries.indexOf(entry);
  const declared = configuration.aggregations.find((a) => a.entry === index);
  if (declared === undefined || aggregation[declared.function] === undefined) {
    throw new InputError(
      "NoAggregation",
      `the module has no aggregation of entry "${entry.name}"`,
      {
        name: entry.name,
      },
    );
  }
  runs.forEach((run, i) => checkSame(run.receipt, runs[0]!.receipt, entry, moduleId, i));
  const all = candidatesOf(entry, runs);
  const first = all[0];
  if (first === undefined) {
    throw new InputError(
      "NoFinishedRun",
      `none of the ${runs.length} runs finished, so that there is no output to aggregate`,
    );
  }
  const leader = all.reduce((best, next) => (next.votes > best.votes ? next : best), first);
  const candidates = all.filter(({ tensors }) =>
    tensors.every(({ shape }, i) => sameShape(shape, leader.tensors[i]!.shape)),
  );
  const votes = BigInt64Array.from(candidates, (candidate) => BigInt(candidate.votes));
  return {
    part: "aggregation",
    entry,
    function: declared.function,
    inputs: [
      ...entry.outputs.map((_, i) => stack(candidates.map(({ tensors }) => tensors[i]!))),
      rawTensor("i64", [candidates.length], votes),
      rawTensor("i64", [], BigInt64Array.of(BigInt(runs.length))),
    ],
    dimensions: bindOutputs(entry, configuration.dimensions, leader),
    saturated: {},
  };
}

/** Sorted by hash. */
function candidatesOf(entry: EntryPoint, runs: readonly AggregateRun[]): Candidate[] {
  const byHash = new Map<string, Candidate>();
  runs.forEach(({ receipt, outputs }, i) => {
    if (receipt.status !== "finished") return;
    const tensors = entry.outputs.map(({ name, dtype, shape }) => {
      const tensor = outputs?.[name];
      const fits =
        tensor !== undefined &&
        tensor.dtype === dtype &&
        tensor.shape.length === shape.length &&
        tensor.bytes.length === byteLength(tensor);
      if (fits) return tensor;
      throw new InputError(
        "Outputs",
        `run ${i} finished, but its output "${name}" is missing or no ${dtype} tensor of rank ${shape.length}`,
        { name },
      );
    });
    const hash = hashOf(tensors);
    if (hash !== receipt.outputHash) {
      throw new InputError(
        "Outputs",
        `the outputs of run ${i} have the hash ${hash}, its receipt says ${receipt.outputHash}`,
      );
    }
    const candidate = byHash.get(hash);
    if (candidate === undefined) byHash.set(hash, { hash, tensors, votes: 1 });
    else candidate.votes++;
  });
  return [...byHash.values()].sort((a, b) => (a.hash < b.hash ? -1 : 1));
}

function checkSame(
  receipt: Receipt,
  first: Receipt,
  entry: EntryPoint,
  moduleId: string,
  i: number,
): void {
  const expected = {
    moduleId,
    entry: entry.name,
    part: "inference",
    inputHash: first.inputHash,
    seed: first.seed,
  } as const;
  for (const [field, value] of Object.entries(expected)) {
    const actual = receipt[field as keyof typeof expected];
    if (actual === value) continue;
    throw new InputError(
      "Receipt",
      `run ${i} has ${field} ${actual}, the others have ${value}: they are not runs of one thing`,
      { name: field },
    );
  }
}

function stack(tensors: readonly RawTensor[]): RawTensor {
  const { dtype, shape, bytes } = tensors[0]!;
  const stacked = new Uint8Array(tensors.length * bytes.length);
  tensors.forEach((tensor, i) => stacked.set(tensor.bytes, i * bytes.length));
  return { dtype, shape: [tensors.length, ...shape], bytes: stacked };
}

/** The dimensions of the leader, which the result of the aggregation must have too. */
function bindOutputs(
  entry: EntryPoint,
  named: readonly NamedDimension[],
  { tensors }: Candidate,
): DimensionBindings {
  const dimensions = new DimensionBindings(named);
  const misfit = dimensions.bind(
    entry.outputs.map((port) => port.shape),
    tensors.map(({ shape }) => shape),
  );
  if (misfit === undefined) return dimensions;
  const { name } = entry.outputs[misfit.port]!;
  throw new InputError(
    "Outputs",
    `output "${name}" does not fit its declaration: ${misfit.reason}`,
    { name },
  );
}
