import type { Command } from "commander";
import type { Comparison } from "../../analysis/compare.js";
import { jsonOption } from "../arguments.js";
import type { BackendName } from "../backends.js";
import { backendOption, openBackend } from "../backends.js";
import { externalDataBeside, readBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import { openModule } from "../files/moduleFile.js";
import { counted, grouped, json, table } from "../format.js";
import { startProgress } from "../progress.js";
import { pinOption, readPins } from "../pins.js";
import { openSamples } from "../samples.js";
import type { Terminal } from "../terminal.js";
import { warn } from "../terminal.js";

interface CompareFlags {
  readonly samples: readonly string[];
  readonly entry?: string;
  readonly backend: BackendName;
  readonly pin?: readonly string[];
  readonly json?: true;
}

const EXAMPLES = `
Per output: the signal-to-quantisation-noise ratio in dB (300 stands for equal), the greatest
absolute error, the cosine, and the share of rows along the last axis with the same arg-max; each
as mean over the samples and for the worst one.

Examples:
  $ aivm compare model.onnx model.aivm --samples held-out/
  $ aivm compare model.onnx model.aivm --samples a.npz b.npz --json`;

export function addCompare(program: Command, terminal: Terminal): void {
  program
    .command("compare")
    .description("run the float model and the module side by side on samples")
    .argument("<MODEL.onnx>", "the model")
    .argument("<MODULE.aivm>", "the module that was compiled from it")
    .requiredOption("--samples <PATH...>", "real inputs: files or folders")
    .option("--entry <NAME>", "entry point (default: the first)")
    .addOption(pinOption())
    .addOption(backendOption())
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (modelPath: string, modulePath: string, flags: CompareFlags) => {
      const { describeModel } = await import("../../compiler/describe.js");
      const { compare } = await import("../../analysis/compare.js");
      const { instantiate } = await import("../../vm/instance.js");
      const externalData = externalDataBeside(modelPath);
      const model = await readBytes(modelPath);
      const file = await openModule(modulePath);
      const whole = inFile(modelPath, () => describeModel(model, { externalData }));
      const pins = await readPins(flags.pin, whole);
      const description = inFile(modelPath, () => describeModel(model, { externalData, pins }));
      const input = await openSamples(flags.samples, description);
      const backend = await openBackend(flags.backend);
      const instance = inFile(modulePath, () =>
        instantiate(file.module, { backend, ownsBackend: true, parameters: file.parameters }),
      );
      const { toHex } = await import("../../module/hex.js");
      const { sha256 } = await import("../../module/sha256.js");
      const source = instance.module.provenance["model"];
      if (source !== undefined && source !== toHex(sha256(model))) {
        warn(terminal, `${modulePath} was compiled from another model than ${modelPath}`);
      }
      const progress = await startProgress(terminal, "comparing", input.count);
      let comparison;
      try {
        comparison = await compare(model, instance, input.samples, {
          externalData,
          pins,
          onProgress: progress.update,
          ...(flags.entry === undefined ? {} : { entry: flags.entry }),
        });
      } catch (error) {
        throw input.named(error);
      } finally {
        progress.stop();
        instance.dispose();
        file.close();
      }
      terminal.out(flags.json ? json(comparison) : describe(comparison));
      if (comparison.engine !== undefined)
        warn(terminal, "onnxruntime did not compute the floats, our own evaluator did");
      for (const [name, count] of Object.entries(comparison.clippedInputs)) {
        warn(
          terminal,
          `${grouped(count)} elements of input "${name}" are beyond the calibrated range and were clipped`,
        );
      }
      for (const [name, { notFinite }] of Object.entries(comparison.outputs)) {
        if (notFinite === 0) continue;
        warn(
          terminal,
          `${grouped(notFinite)} elements of output "${name}" are NaN or infinite in the float model ` +
            "and count in none of its figures",
        );
      }
    });
}

function describe({ samples, outputs }: Comparison): string {
  const pair = (mean: string, worst: string): string => `${mean} (${worst})`;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const rows = [["output", "SQNR dB (worst)", "max error", "cosine (worst)", "arg-max (worst)"]];
  for (const [name, { worst, ...mean }] of Object.entries(outputs)) {
    rows.push([
      name,
      pair(mean.sqnrDb.toFixed(1), worst.sqnrDb.toFixed(1)),
      mean.maxAbsError.toPrecision(3),
      pair(mean.cosine.toFixed(6), worst.cosine.toFixed(6)),
      pair(percent(mean.argmaxAgreement), percent(worst.argmaxAgreement)),
    ]);
  }
  return `${table(rows)}over ${counted(samples, "sample")}\n`;
}
