/** A model of `../shared/data`: calibrated on some samples, run in floats and on engines on others. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { calibrate } from "../../../src/analysis/calibrate.js";
import type { ChosenPlan } from "../../../src/analysis/choosePlan.js";
import { choosePlan } from "../../../src/analysis/choosePlan.js";
import { hostValue } from "../../../src/analysis/compare.js";
import { formatCalibration, parseCalibration } from "../../../src/analysis/calibrationFile.js";
import type { NamedArrays } from "../../../src/analysis/floatModel.js";
import { openFloatModel } from "../../../src/analysis/floatModel.js";
import type { Calibration } from "../../../src/compiler/calibration.js";
import type { CompileResult } from "../../../src/compiler/compile.js";
import { compile } from "../../../src/compiler/compile.js";
import type { Precision } from "../../../src/compiler/lower/profile.js";
import { HostError } from "../../../src/core/errors.js";
import { createSimdBackend } from "../../../src/tensor/simd/index.js";
import type { HostValue } from "../../../src/vm/hostValues.js";
import type { Instance } from "../../../src/vm/instance.js";
import { instantiate } from "../../../src/vm/instance.js";
import type { RunResult } from "../../../src/vm/run.js";
import { sharedData } from "../sharedData.js";

/** The values of the one real input of a model; or all inputs, where there are several or sizes differ. */
export type Sample = Float32Array | NamedArrays;

export interface RealModelOptions {
  readonly name: string;
  /** Name and shape of the one real input, for samples that are values only. */
  readonly input?: string;
  readonly dims?: readonly number[];
  /** Sizes of open dimensions. */
  readonly bind?: Readonly<Record<string, number>>;
  /** What it is calibrated on. */
  readonly calibrationSamples: () => Iterable<Sample>;
  /** What it is tested on. */
  readonly testSamples: () => Sample[];
}

export class RealModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly #options: RealModelOptions;
  #calibration: Promise<Calibration> | undefined;

  constructor(options: RealModelOptions) {
    this.#options = options;
    this.name = options.name;
    const path = sharedData("models", `${options.name}.onnx`);
    if (path === undefined) throw new HostError("NoData", `there is no ${options.name}.onnx`);
    this.bytes = readFileSync(path);
  }

  /** @param cache folder where calibrations are kept, if they are */
  calibration(cache: string | undefined): Promise<Calibration> {
    this.#calibration ??= this.#calibrate(cache);
    return this.#calibration;
  }

  async #calibrate(cache: string | undefined): Promise<Calibration> {
    const file = cache === undefined ? undefined : join(cache, `${this.name}.calibration.json`);
    if (file !== undefined && existsSync(file))
      return parseCalibration(readFileSync(file, "utf8"), file);
    const samples = function* (model: RealModel, all: Iterable<Sample>): Generator<NamedArrays> {
      for (const sample of all) yield model.named(sample);
    };
    const { bind, calibrationSamples } = this.#options;
    const options = bind === undefined ? {} : { dims: bind };
    const calibration = await calibrate(this.bytes, samples(this, calibrationSamples()), options);
    if (file !== undefined) writeFileSync(file, formatCalibration(calibration));
    return calibration;
  }

  get testSamples(): () => Sample[] {
    return this.#options.testSamples;
  }

  async compile(precision: Precision, cache: string | undefined): Promise<CompileResult> {
    const { bind } = this.#options;
    const calibration = await this.calibration(cache);
    return compile(this.bytes, {
      calibration,
      precision,
      ...(bind === undefined ? {} : { dims: bind }),
    });
  }

  /** What `--precision auto` chooses on the samples that calibrate, and the module. */
  async choose(
    targetSqnrDb: number,
    cache: string | undefined,
  ): Promise<{ readonly chosen: ChosenPlan; readonly bytes: Uint8Array }> {
    const calibration = await this.calibration(cache);
    const backend = await createSimdBackend();
    try {
      const samples = Array.from(this.#options.calibrationSamples(), (s) => this.named(s));
      const chosen = await choosePlan(this.bytes, samples, {
        calibration,
        targetSqnrDb,
        instantiate: (module) => instantiate(module, { backend }),
      });
      return { chosen, bytes: compile(this.bytes, { calibration, plan: chosen.plan }).bytes };
    } finally {
      backend.dispose();
    }
  }

  /** Runs the float model, as onnxruntime-web optimises it, on each sample in turn. */
  async *floats(samples: Iterable<Sample>): AsyncGenerator<{
    readonly sample: Sample;
    readonly outputs: ReadonlyMap<string, Float32Array>;
  }> {
    const model = await openFloatModel(this.bytes);
    try {
      for (const sample of samples) {
        const outputs = await model.run(this.named(sample));
        yield {
          sample,
          outputs: new Map([...outputs].map(([name, { data }]) => [name, data as Float32Array])),
        };
      }
    } finally {
      await model.dispose();
    }
  }

  inputs(sample: Sample): Record<string, HostValue> {
    return Object.fromEntries(
      Array.from(this.named(sample), ([name, array]) => [name, hostValue(array)]),
    );
  }

  run(instance: Instance, sample: Sample): RunResult {
    return instance.runSync({ inputs: this.inputs(sample) });
  }

  /** A sample's arrays by the names of the inputs. */
  named(sample: Sample): NamedArrays {
    if (!(sample instanceof Float32Array)) return sample;
    const { input = "", dims = [] } = this.#options;
    return new Map([[input, { elementType: "float32", dims, data: sample }]]);
  }
}
