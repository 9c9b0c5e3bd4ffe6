import type { Command } from "commander";
import { dimOption, jsonOption } from "../arguments.js";
import { calibrateModel, warnIfEvaluated } from "../calibrateModel.js";
import { checkWritable, externalDataBeside, readBytes, writeBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import { counted, json } from "../format.js";
import { pinOption, readPins } from "../pins.js";
import type { Terminal } from "../terminal.js";

interface CalibrateFlags {
  readonly samples: readonly string[];
  readonly output?: string;
  readonly dim?: Record<string, number>;
  readonly pin?: readonly string[];
  readonly json?: true;
}

const EXAMPLES = `
Samples are .npy, .npz (arrays named after the inputs) or ONNX .pb files, or folders of them.

Examples:
  $ aivm calibrate model.onnx --samples images/ -o model.calibration.json
  $ aivm calibrate model.onnx --samples a.npz b.npz --dim batch=1`;

export function addCalibrate(program: Command, terminal: Terminal): void {
  program
    .command("calibrate")
    .description("measure the ranges of a float model's values over samples")
    .argument("<MODEL.onnx>", "the model")
    .requiredOption("--samples <PATH...>", "real inputs: files or folders")
    .option("-o, --output <FILE>", "calibration file (default: MODEL.calibration.json)")
    .addOption(dimOption())
    .addOption(pinOption())
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: CalibrateFlags) => {
      const output = flags.output ?? `${path.replace(/\.onnx$/i, "")}.calibration.json`;
      const model = await readBytes(path);
      await checkWritable(output);
      const { importSupported } = await import("../../compiler/compile.js");
      const { formatCalibration } = await import("../../analysis/calibrationFile.js");
      const source = { dims: flags.dim ?? {}, externalData: externalDataBeside(path) };
      const { describeModel } = await import("../../compiler/describe.js");
      const description = inFile(path, () => describeModel(model, source));
      const options = { ...source, pins: await readPins(flags.pin, description) };
      inFile(path, () => importSupported(model, options)); // what cannot be compiled is said before the long work
      const calibration = await calibrateModel(terminal, model, options, flags.samples);
      await writeBytes(output, formatCalibration(calibration));
      warnIfEvaluated(terminal, calibration);
      const { samples, dims, tensors, engine = "onnxruntime" } = calibration;
      const count = Object.keys(tensors).length;
      if (flags.json) terminal.out(json({ output, samples, dims, tensors: count, engine }));
      else
        terminal.out(`${output}: ${counted(count, "tensor")} over ${counted(samples, "sample")}\n`);
    });
}
