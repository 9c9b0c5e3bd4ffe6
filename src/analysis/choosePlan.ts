/** Chooses bits by measurement: which weights may take 8 bits for a wanted accuracy. */
import type { CompileOptions } from "../compiler/compile.js";
import { compile } from "../compiler/compile.js";
import { describeModel } from "../compiler/describe.js";
import type { Plan, WeightReport } from "../compiler/plan.js";
import { InputError } from "../core/errors.js";
import { toHex } from "../module/hash.js";
import { sha256 } from "../module/sha256.js";
import type { Instance } from "../vm/instance.js";
import { runFixed } from "./compare.js";
import type { NamedArrays } from "./floatModel.js";
import { fitSample, isReal, withPins } from "./modelSample.js";
import { ReferenceModel } from "./referenceModel.js";
import { selfContained } from "./selfContained.js";

/** What is to be reached, and how a trial is compiled and run. */
export interface ChoosePlanOptions extends Omit<CompileOptions, "plan" | "precision" | "observe"> {
  /** What each output must reach on the samples, in dB: 10·log10(Σf² / Σ(f − q)²). */
  readonly targetSqnrDb: number;
  /** Makes an instance of a module, on an engine of the caller's choice; it is disposed of. */
  readonly instantiate: (module: Uint8Array) => Instance;
  /** Called after each module that was tried. */
  readonly onTrial?: (done: number, of: number) => void;
}

/** A plan, and what it reaches beside 16 bits throughout. */
export interface ChosenPlan {
  readonly plan: Plan;
  /** What the worst output reaches on the samples with the plan. */
  readonly sqnrDb: number;
  /** The same with 16 bits throughout, and the size of that module. */
  readonly fullSqnrDb: number;
  readonly fullBytes: number;
  readonly bytes: number;
  /** Whether the target is reached. */
  readonly reached: boolean;
}

/** Samples that are measured; more change the choice little. */
const MAX_SAMPLES = 12;
/** Other inputs than the samples may come out a little worse. */
const MARGIN_DB = 1;

/**
 * Measures what 8 bits for the weights of each contraction cost at the outputs, one at a time, and
 * gives 8 bits to those that save most for what they cost, as long as the target is kept. Costs are
 * first taken to add up; then everything is measured as a whole.
 *
 * @param samples inputs of the model; the first few are used
 * @throws as `compile` and `compare` do
 */
export async function choosePlan(
  model: Uint8Array,
  samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
  options: ChoosePlanOptions,
): Promise<ChosenPlan> {
  const bench = await Bench.open(model, samples, options);
  const base: Plan = { version: 1, model: toHex(sha256(model)), precision: "fx16", weightBits: {} };
  const full = await bench.measure(base);
  const all = full.weights.filter(({ bits }) => bits > 8);
  const elements = all.reduce((sum, report) => sum + report.elements, 0);
  const candidates = all.filter((report) => report.elements >= elements * LEAST_SHARE);
  const total = 1 + candidates.length + ROUNDS + MAX_TRIED;
  let done = 0;
  const progress = (): void => options.onTrial?.(++done, total);
  progress();
  const target = options.targetSqnrDb + MARGIN_DB;
  const allowed = bench.signal.map((s) => s / 10 ** (target / 10));
  const room = allowed.map((n, i) => n - full.noise[i]!);
  // Where 16 bits miss it already, nothing is left to give away.
  const measured = room.every((n) => n >= 0) ? candidates : [];
  const costs: Cost[] = [];
  for (const report of measured) {
    const { noise } = await bench.measure({ ...base, weightBits: { [report.node]: 8 } });
    costs.push({ report, noise: noise.map((n, i) => Math.max(n - full.noise[i]!, 0)) });
    progress();
  }
  // Costs add up roughly: the share of the room that may be planned is found by trying.
  let [low, high] = [0, 8];
  let best = { plan: base, trial: full };
  for (let round = 0; round < ROUNDS && costs.length > 0; round++) {
    const share = round === 0 ? 1 : (low + high) / 2;
    const plan = {
      ...base,
      weightBits: pick(
        costs,
        room.map((n) => n * share),
      ),
    };
    const trial = await bench.measure(plan);
    progress();
    if (trial.noise.every((n, i) => n <= allowed[i]!)) {
      low = share;
      if (trial.bytes < best.trial.bytes) best = { plan, trial };
    } else high = share;
  }
  // What costs add up to is known only roughly: the largest of the others are tried one by one.
  const others = costs
    .filter(({ report }) => !Object.hasOwn(best.plan.weightBits, report.node))
    .sort((a, b) => b.report.elements - a.report.elements)
    .slice(0, MAX_TRIED);
  for (const { report, noise: cost } of others) {
    const plan: Plan = { ...base, weightBits: { ...best.plan.weightBits, [report.node]: 8 } };
    const slack = best.trial.noise.map((n, i) => allowed[i]! - n);
    progress();
    if (cost.some((n, i) => n > 2 * slack[i]!)) continue;
    const trial = await bench.measure(plan);
    if (trial.noise.every((n, i) => n <= allowed[i]!)) best = { plan, trial };
  }
  return {
    plan: best.plan,
    sqnrDb: bench.worst(best.trial.noise),
    fullSqnrDb: bench.worst(full.noise),
    fullBytes: full.bytes,
    bytes: best.trial.bytes,
    reached: bench.worst(best.trial.noise) >= options.targetSqnrDb,
  };
}

/** Smaller parts of the weights save too little to be measured. */
const LEAST_SHARE = 1 / 400;
const ROUNDS = 8;
/** Contractions that are tried one by one at the end. */
const MAX_TRIED = 24;

interface Cost {
  readonly report: WeightReport;
  /** Noise that 8 bits add to each output. */
  readonly noise: readonly number[];
}

/** Greedily: what saves most bytes for the share of the room it takes. */
function pick(costs: readonly Cost[], room: readonly number[]): Record<string, 8> {
  const price = ({ noise }: Cost): number =>
    noise.reduce((worst, n, i) => Math.max(worst, room[i]! > 0 ? n / room[i]! : Infinity), 0);
  const ranked = costs
    .map((cost) => ({ cost, price: price(cost) }))
    .filter((entry) => entry.price < Infinity)
    .sort((a, b) => a.price / a.cost.report.elements - b.price / b.cost.report.elements);
  const left = [...room];
  const bits: Record<string, 8> = {};
  for (const { cost } of ranked) {
    if (cost.noise.some((n, i) => n > left[i]!)) continue;
    cost.noise.forEach((n, i) => (left[i]! -= n));
    bits[cost.report.node] = 8;
  }
  return bits;
}

interface Trial {
  /** Squared error of each output, over all samples. */
  readonly noise: readonly number[];
  readonly bytes: number;
  readonly weights: readonly WeightReport[];
}

/** A sample and the real outputs that the float model gives for it. */
interface Measured {
  readonly inputs: NamedArrays;
  readonly floats: ReadonlyMap<string, ArrayLike<number>>;
}

/** A model, what it gives in floats, and the means to try plans on it. */
class Bench {
  readonly #model: Uint8Array;
  readonly #options: ChoosePlanOptions;
  readonly #samples: readonly Measured[];
  readonly #outputs: readonly string[];
  /** Sum of the squares of each output, over all samples. */
  readonly signal: readonly number[];

  constructor(
    model: Uint8Array,
    options: ChoosePlanOptions,
    samples: readonly [Measured, ...Measured[]],
  ) {
    this.#model = model;
    this.#options = options;
    this.#samples = samples;
    this.#outputs = [...samples[0].floats.keys()];
    const zeros = new Float64Array(0);
    this.signal = this.#outputs.map((name) =>
      samples.reduce((sum, { floats }) => sum + squaredError(floats.get(name)!, zeros), 0),
    );
  }

  static async open(
    model: Uint8Array,
    samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
    options: ChoosePlanOptions,
  ): Promise<Bench> {
    const { pins = {}, dims = {} } = options;
    const complete = selfContained(model, options.externalData);
    const { inputs } = describeModel(complete, { dims });
    const float = new ReferenceModel(complete, pins);
    const measured: Measured[] = [];
    try {
      for await (const sample of samples) {
        const fitted = fitSample(inputs, withPins(sample, pins), { ...dims });
        const results = await float.run(fitted);
        const reals = [...results].filter(([, { elementType }]) => isReal(elementType));
        measured.push({
          inputs: new Map([...fitted].filter(([name]) => !Object.hasOwn(pins, name))),
          floats: new Map(reals.map(([name, { data }]) => [name, data as Float32Array])),
        });
        if (measured.length === MAX_SAMPLES) break;
      }
    } finally {
      await float.dispose();
    }
    const [first, ...others] = measured;
    if (first === undefined)
      throw new InputError("NoSamples", "choosing bits needs at least one sample");
    return new Bench(model, options, [first, ...others]);
  }

  /** Compiles with a plan and runs all samples. */
  async measure(plan: Plan): Promise<Trial> {
    const { bytes, report } = compile(this.#model, { ...this.#options, plan });
    const instance = this.#options.instantiate(bytes);
    const noise = this.#outputs.map(() => 0);
    try {
      for (const { inputs, floats } of this.#samples) {
        const { outputs } = await runFixed(instance, inputs);
        this.#outputs.forEach((name, i) => {
          noise[i]! += squaredError(floats.get(name)!, outputs[name]!.reals("float64"));
        });
      }
    } finally {
      instance.dispose();
    }
    return { noise, bytes: bytes.length, weights: report.weights };
  }

  /** The least signal-to-noise ratio of the outputs, in dB, at most 300. */
  worst(noise: readonly number[]): number {
    const ratios = noise.map((n, i) =>
      n === 0 ? MAX_DB : Math.min(10 * Math.log10(this.signal[i]! / n), MAX_DB),
    );
    return Math.min(MAX_DB, ...ratios);
  }
}

const MAX_DB = 300;

/** Σ(f − q)² over the finite floats; what `fixed` lacks counts as 0. */
function squaredError(floats: ArrayLike<number>, fixed: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < floats.length; i++) {
    const f = floats[i]!;
    if (Number.isFinite(f)) sum += (f - (fixed[i] ?? 0)) ** 2;
  }
  return sum;
}
