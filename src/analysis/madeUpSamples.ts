/** Samples for want of real ones: they show that a model runs, not how accurate it is. */
import type { ModelPort } from "../compiler/describe.js";
import { hostTypeOf } from "../compiler/graph.js";
import { InputError } from "../core/errors.js";
import type { HostArray } from "../core/hostArray.js";
import { elementCount } from "../core/shape.js";
import type { NamedArrays } from "./floatModel.js";
import { fitSample, isReal } from "./modelSample.js";

/** Sizes, ranges and number of made-up samples. */
export interface MadeUpOptions {
  /** Sizes of open dimensions, by name; 1 where nothing is said. `planSamples` finds fitting ones. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Least and greatest values of integer inputs, by name; 0 and 1 where nothing is said. */
  readonly ranges?: Readonly<Record<string, readonly [number, number]>>;
  /** How many; 8 unless said. */
  readonly count?: number;
  /** 32 bits from which all values follow. */
  readonly seed?: number;
}

/**
 * Made-up samples: reals by turns uniform in [0, 1) and about normal (mean 0, variance 1), integers
 * and bools uniform in their ranges, in the types of the model's inputs. The same seed gives the same samples everywhere.
 * @throws InputError `BadSample` when the model does not say the rank or type of an input
 */
export function* madeUpSamples(
  inputs: readonly ModelPort[],
  { dims = {}, ranges = {}, count = 8, seed = 1 }: MadeUpOptions = {},
): Generator<NamedArrays, void, undefined> {
  const random = uniform(seed);
  for (let i = 0; i < count; i++) {
    const real = i % 2 === 0 ? random : (): number => normal(random);
    const sample = new Map(
      inputs.map((input) => [
        input.name,
        makeUp(input, dims, ranges[input.name] ?? [0, 1], real, random),
      ]),
    );
    yield fitSample(inputs, sample, {});
  }
}

function makeUp(
  { name, elementType, dims: declared }: ModelPort,
  dims: Readonly<Record<string, number>>,
  [least, greatest]: readonly [number, number],
  real: () => number,
  random: () => number,
): HostArray {
  if (declared === undefined || elementType === undefined || elementType === "string") {
    throw new InputError(
      "BadSample",
      `the model does not say what input "${name}" holds, so no samples can be made up; give samples`,
      { name },
    );
  }
  const shape = declared.map((dim) => (typeof dim === "number" ? dim : (dims[dim] ?? 1)));
  const length = elementCount(shape);
  const hostType = hostTypeOf(elementType);
  if (hostType !== "string" && isReal(hostType)) {
    const type = hostType === "float64" ? "float64" : "float32";
    const data = type === "float64" ? new Float64Array(length) : new Float32Array(length);
    return { elementType: type, dims: shape, data: data.map(real) };
  }
  const whole = (): number => least + Math.floor(random() * (greatest - least + 1));
  return { elementType: "int32", dims: shape, data: new Int32Array(length).map(whole) };
}

/** Uniform in [0, 1), multiples of 2^−24: xorshift32. */
function uniform(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) | 0;
  if (state === 0) state = 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 8) / 2 ** 24;
  };
}

/** The sum of twelve uniforms, less 6: near enough to normal, and the same bits on every engine. */
function normal(random: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return sum;
}
