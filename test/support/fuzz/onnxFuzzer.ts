import { readFileSync } from "node:fs";
import type { Calibration, TensorRange } from "../../../src/compiler/calibration.js";
import { compile } from "../../../src/compiler/compile.js";
import { isFloat } from "../../../src/compiler/graph.js";
import { importModel } from "../../../src/compiler/importModel.js";
import type { Precision } from "../../../src/compiler/lower/profile.js";
import { optimise } from "../../../src/compiler/optimise.js";
import { CompileError } from "../../../src/core/errors.js";
import { toHex } from "../../../src/module/hex.js";
import { sha256 } from "../../../src/module/sha256.js";
import { compiledModels } from "../mutants/bases.js";
import { mutatedModel } from "../mutants/brokenModel.js";
import { LIMITS, randomInputs } from "../mutants/outcome.js";
import { smallModels } from "../mutants/smallModels.js";
import { SeededRandom } from "../seededRandom.js";
import type { Engines } from "./engines.js";
import { Disagreement, agree } from "./agreement.js";
import type { Fuzzer, Tally } from "./fuzzer.js";
import { count } from "./fuzzer.js";

const PRECISIONS: readonly Precision[] = ["fx16", "fx16w8", "fx8", "fx32"];
/** Ranges that a calibration may say, and that nothing was measured. */
const RANGES = [
  [-4, 4],
  [0, 1],
  [-1e-30, 1e-30],
  [0, 0],
  [-1e30, 1e30],
] as const;

/** ONNX models with bytes or things changed: a CompileError, or a module that runs alike. */
export function onnxFuzzer(engines: Engines, digits: string): Fuzzer {
  const bases = [
    ...smallModels(),
    ...compiledModels().map(({ model }) => model),
    new Uint8Array(readFileSync(digits)),
  ];
  const modelOf = (random: SeededRandom): Uint8Array => mutatedModel(random, random.pick(bases));
  return {
    check(seed, tally) {
      const random = new SeededRandom(seed);
      checkModel(modelOf(random), random, engines, seed, tally);
    },
    evidence: (seed) => ({ files: { ".onnx": modelOf(new SeededRandom(seed)) } }),
  };
}

/**
 * Compiles a model as far as it goes and runs what comes of it.
 * @param random decides on precision, calibration and inputs
 */
export function checkModel(
  model: Uint8Array,
  random: SeededRandom,
  engines: Engines,
  seed: number,
  tally: Tally,
): void {
  const precision = random.pick(PRECISIONS);
  let compiled: ReturnType<typeof compile>;
  try {
    compiled = compile(model, { calibration: madeUpCalibration(model, random), precision });
  } catch (error) {
    // Every other error is a fault of the compiler.
    if (!(error instanceof CompileError)) throw error;
    count(tally, "stage compile");
    count(tally, `end CompileError ${error.code}`);
    return;
  }
  const { module, bytes } = compiled;
  const [entry] = module.configuration.entries;
  const inputs = entry === undefined ? {} : randomInputs(entry, module, random);
  const { stage, kind } = agree(bytes, inputs, engines, { seed, limits: LIMITS }, tally);
  count(tally, `stage ${stage}`);
  count(tally, `end ${kind}`);
  if (stage === "decode" || stage === "instantiate") {
    throw new Disagreement(`the compiler made a module that is refused: ${kind}`);
  }
}

/** A calibration that nobody measured: mostly of sensible ranges, and no two models alike. */
function madeUpCalibration(model: Uint8Array, random: SeededRandom): Calibration {
  const graph = optimise(importModel(model));
  const tensors: Record<string, TensorRange> = {};
  for (const [name, { elementType }] of graph.values) {
    if (!isFloat(elementType) || random.int(0, 99) === 0) continue;
    const [min, max] = random.int(0, 9) > 0 ? RANGES[0] : random.pick(RANGES);
    tensors[name] = { min, max, rms: max / 2, count: 1, channels: [], histogram: [] };
  }
  return { version: 1, model: toHex(sha256(model)), samples: 1, madeUp: true, dims: {}, tensors };
}
