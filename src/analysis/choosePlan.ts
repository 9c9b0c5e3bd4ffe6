/** Chooses bits by measurement: which weights may take 8 bits for a wanted accuracy. */
import type { CompileOptions, CompileResult } from "../compiler/compile.js";
import { prepare } from "../compiler/compile.js";
import { describeModel } from "../compiler/describe.js";
import type { Plan, WeightReport } from "../compiler/plan.js";
import { InputError } from "../core/errors.js";
import { toHex } from "../module/hex.js";
import { sha256 } from "../module/sha256.js";
import type { Instance } from "../vm/instance.js";
import { runFixed } from "./compare.js";
import type { NamedArrays } from "./floatModel.js";
import { fitSample, isReal, withPins } from "./modelSample.js";
import { ReferenceModel } from "./referenceModel.js";

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

/** Samples that plans are measured on; more change the choice little. */
const MAX_SAMPLES = 12;
/** Samples that single contractions are measured on: they are only ranked. */
const PROBED = 2;
/** Other inputs than the samples came out up to 1.7 dB worse. */
const MARGIN_DB = 2;

/**
 * Measures what 8 bits for the weights of each contraction cost at the outputs, and gives 8 bits
 * to those that save most for what they cost, as many as keep the target. The number of modules
 * that are tried has a bound: of a deep model, contractions that follow one another are taken
 * together.
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
  const groups = groupsOf(full.weights);
  const total = 1 + groups.length + Math.ceil(Math.log2(groups.length + 1)) + MAX_TRIED;
  let done = 0;
  const progress = (): void => options.onTrial?.(++done, total);
  progress();
  const allowed = 10 ** (-(options.targetSqnrDb + MARGIN_DB) / 10);
  const keeps = ({ noise }: Trial): boolean => noise.every((n) => n <= allowed);
  const planOf = (chosen: readonly Group[]): Plan => ({
    ...base,
    weightBits: Object.fromEntries(
      groups
        .filter((group) => chosen.includes(group))
        .flatMap(({ nodes }) => nodes.map((node) => [node, 8] as const)),
    ),
  });
  let best: { chosen: readonly Group[]; trial: Trial } = { chosen: [], trial: full };
  // Where 16 bits miss the target already, nothing is left to give away.
  if (keeps(full)) {
    const probed = await bench.measure(base, PROBED);
    const ranked: { group: Group; noise: readonly number[]; price: number }[] = [];
    for (const group of groups) {
      const trial = await bench.measure(planOf([group]), PROBED);
      const noise = trial.noise.map((n, i) => Math.max(n - probed.noise[i]!, 0));
      const shares = noise.map((n, i) => n / Math.max(allowed - full.noise[i]!, Number.MIN_VALUE));
      ranked.push({ group, noise, price: Math.max(...shares) / group.elements });
      progress();
    }
    ranked.sort((a, b) => a.price - b.price);
    let [kept, missed] = [0, ranked.length + 1];
    while (missed - kept > 1) {
      const count = (kept + missed) >> 1;
      const chosen = ranked.slice(0, count).map(({ group }) => group);
      const trial = await bench.measure(planOf(chosen));
      progress();
      if (keeps(trial)) {
        kept = count;
        best = { chosen, trial };
      } else missed = count;
    }
    // What costs more for what it saves may still fit into what is left.
    const others = ranked
      .slice(missed)
      .sort((a, b) => b.group.elements - a.group.elements)
      .slice(0, MAX_TRIED);
    for (const { group, noise } of others) {
      const { chosen, trial } = best;
      progress();
      if (noise.some((n, i) => n > allowed - trial.noise[i]!)) continue;
      const more = [...chosen, group];
      const tried = await bench.measure(planOf(more));
      if (keeps(tried)) best = { chosen: more, trial: tried };
    }
  }
  return {
    plan: planOf(best.chosen),
    sqnrDb: worstDb(best.trial.noise),
    fullSqnrDb: worstDb(full.noise),
    fullBytes: full.bytes,
    bytes: best.trial.bytes,
    reached: worstDb(best.trial.noise) >= options.targetSqnrDb,
  };
}

/** Smaller parts of the weights save too little to be measured. */
const LEAST_SHARE = 1 / 400;
/** Groups of contractions that are measured. */
const MAX_GROUPS = 96;
/** Groups that are tried one by one at the end. */
const MAX_TRIED = 8;

/** Contractions that get the same bits. */
interface Group {
  readonly nodes: readonly string[];
  readonly elements: number;
}

/** Contractions one by one; where they are many, neighbours together until they are worth a trial. */
function groupsOf(weights: readonly WeightReport[]): Group[] {
  const wide = weights.filter(({ bits }) => bits > 8);
  const total = wide.reduce((sum, { elements }) => sum + elements, 0);
  const worth = wide.filter(({ elements }) => elements >= total * LEAST_SHARE);
  const least = worth.length > MAX_GROUPS ? (2 * total) / MAX_GROUPS : 0;
  const groups: Group[] = [];
  for (const { node, elements } of worth) {
    const last = groups.at(-1);
    if (last === undefined || last.elements + elements > least)
      groups.push({ nodes: [node], elements });
    else
      groups[groups.length - 1] = {
        nodes: [...last.nodes, node],
        elements: last.elements + elements,
      };
  }
  return groups;
}

interface Trial {
  /** Squared error of each output over its square, over the samples. */
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
  readonly #compile: (plan: Plan) => CompileResult;
  readonly #instantiate: (module: Uint8Array) => Instance;
  readonly #samples: readonly Measured[];
  readonly #outputs: readonly string[];

  constructor(
    model: Uint8Array,
    options: ChoosePlanOptions,
    samples: readonly [Measured, ...Measured[]],
  ) {
    this.#compile = prepare(model, options);
    this.#instantiate = options.instantiate;
    this.#samples = samples;
    this.#outputs = [...samples[0].floats.keys()];
  }

  static async open(
    model: Uint8Array,
    samples: AsyncIterable<NamedArrays> | Iterable<NamedArrays>,
    options: ChoosePlanOptions,
  ): Promise<Bench> {
    const { pins = {}, dims = {} } = options;
    const { externalData } = options;
    const source = externalData === undefined ? {} : { externalData };
    const { inputs } = describeModel(model, { ...source, dims });
    const float = new ReferenceModel(model, source, pins);
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

  /** Compiles with a plan and runs samples, all or the first few. */
  async measure(plan: Plan, count = MAX_SAMPLES): Promise<Trial> {
    const { bytes, report } = this.#compile(plan);
    const instance = this.#instantiate(bytes);
    const sums = this.#outputs.map(() => ({ noise: 0, signal: 0 }));
    try {
      for (const { inputs, floats } of this.#samples.slice(0, count)) {
        const { outputs } = await runFixed(instance, inputs);
        this.#outputs.forEach((name, i) => {
          const float = floats.get(name)!;
          sums[i]!.noise += squaredError(float, outputs[name]!.reals("float64"));
          sums[i]!.signal += squaredError(float, NOTHING);
        });
      }
    } finally {
      instance.dispose();
    }
    const noise = sums.map((sum) => (sum.noise === 0 ? 0 : sum.noise / sum.signal));
    return { noise, bytes: bytes.length, weights: report.weights };
  }
}

const NOTHING = new Float64Array(0);
const MAX_DB = 300;

/** The least signal-to-noise ratio of the outputs, in dB, at most 300. */
function worstDb(noise: readonly number[]): number {
  return Math.min(MAX_DB, ...noise.map((n) => (n === 0 ? MAX_DB : -10 * Math.log10(n))));
}

/** Σ(f − q)² over the finite floats; what `fixed` lacks counts as 0. */
function squaredError(floats: ArrayLike<number>, fixed: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < floats.length; i++) {
    const f = floats[i]!;
    if (Number.isFinite(f)) sum += (f - (fixed[i] ?? 0)) ** 2;
  }
  return sum;
}
