import type { Calibration } from "../compiler/calibration.js";
import type { ImportOptions } from "../compiler/importModel.js";
import { startProgress } from "./progress.js";
import type { Samples } from "./samples.js";
import { openSamples } from "./samples.js";
import type { Terminal } from "./terminal.js";
import { warn } from "./terminal.js";

const MADE_UP_SAMPLES = 8;

/** Calibrates over the samples at `paths`; over made-up ones, with a loud warning, when there are none. */
export async function calibrateModel(
  terminal: Terminal,
  model: Uint8Array,
  options: ImportOptions,
  paths: readonly string[],
): Promise<Calibration> {
  const { describeModel } = await import("../compiler/describe.js");
  const { calibrate } = await import("../analysis/calibrate.js");
  const description = describeModel(model, options);
  const madeUp = paths.length === 0;
  let input: Samples;
  if (madeUp) {
    const { madeUpSamples } = await import("../analysis/madeUpSamples.js");
    const { planSamples } = await import("../analysis/samplePlan.js");
    const plan = planSamples(model, options);
    input = {
      count: MADE_UP_SAMPLES,
      samples: madeUpSamples(description.inputs, { ...plan, count: MADE_UP_SAMPLES }),
      named: (error) => error,
    };
  } else input = await openSamples(paths, description);
  const progress = await startProgress(terminal, "calibrating", input.count);
  try {
    return await calibrate(model, input.samples, {
      ...options,
      madeUp,
      onProgress: progress.update,
    });
  } catch (error) {
    throw input.named(error);
  } finally {
    progress.stop();
  }
}

/** Says that the ranges come from made-up samples, where they do. */
export function warnIfMadeUp(terminal: Terminal, calibration: Calibration): void {
  if (!calibration.madeUp) return;
  warn(
    terminal,
    "NO SAMPLES WERE GIVEN. The ranges were measured on made-up random inputs, so the compiled\n" +
      "         model may be far from accurate. Give real inputs with --samples PATH...",
  );
}

/** Says that onnxruntime could not run the model, where it could not. */
export function warnIfEvaluated(terminal: Terminal, { engine, engineReason }: Calibration): void {
  if (engine === undefined) return;
  warn(
    terminal,
    "onnxruntime did not compute the ranges, our own evaluator did, which is slower and was checked less.\n" +
      `         ${engineReason ?? ""}`,
  );
}
