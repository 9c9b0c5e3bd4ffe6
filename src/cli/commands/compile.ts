import type { Command } from "commander";
import { Option } from "commander";
import type { Calibration } from "../../compiler/calibration.js";
import type { CompileResult } from "../../compiler/compile.js";
import type { ImportOptions } from "../../compiler/importModel.js";
import type { Precision } from "../../compiler/lower/profile.js";
import { toHex, moduleId } from "../../module/hash.js";
import { dimOption, jsonOption, stateOption } from "../arguments.js";
import { calibrateModel, warnIfMadeUp } from "../calibrateModel.js";
import { checkWritable, externalDataBeside, readBytes, writeBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import { bytes, counted, grouped, json, table } from "../format.js";
import { describeGas, entryGas, gasOf } from "../gas.js";
import { pinOption, readPins } from "../pins.js";
import { startProgress } from "../progress.js";
import type { Terminal } from "../terminal.js";
import { warn } from "../terminal.js";

/** As in the compiler, which is not loaded for help. */
const PRECISIONS = ["fx16", "fx16w8", "fx8", "fx32"] as const satisfies readonly Precision[];

interface CompileFlags {
  readonly output?: string;
  readonly samples?: readonly string[];
  readonly calibration?: string;
  readonly precision: Precision;
  readonly dim?: Record<string, number>;
  readonly pin?: readonly string[];
  readonly state?: Record<string, string>;
  readonly report?: string;
  readonly json?: true;
}

const EXAMPLES = `
Precisions:
  fx16    16-bit activations, weights of 12 to 16 bits (default)
  fx16w8  16-bit activations, 8-bit weights
  fx8     8 bits at the inputs of convolutions and matrix products, 16 elsewhere
  fx32    32-bit: small numeric models

Samples are .npy, .npz (arrays named after the inputs) or ONNX .pb files, or folders of them.
Inputs that say shapes, axes or sizes can be pinned: the module then does not take them.
The same model, calibration and options give the same bytes on every machine.

Examples:
  $ aivm compile model.onnx --samples images/
  $ aivm compile model.onnx -o small.aivm --precision fx8 --calibration model.calibration.json
  $ aivm compile model.onnx --samples a.npz --dim batch=1 --report report.json`;

export function addCompile(program: Command, terminal: Terminal): void {
  program
    .command("compile")
    .description("compile an ONNX model to an AIVM module")
    .argument("<MODEL.onnx>", "the model")
    .option("-o, --output <OUT.aivm>", "module file (default: MODEL.aivm)")
    .addOption(
      new Option("--samples <PATH...>", "real inputs to calibrate on: files or folders").conflicts(
        "calibration",
      ),
    )
    .option("--calibration <FILE>", "calibration file that `aivm calibrate` wrote")
    .addOption(
      new Option("--precision <P>", "how numbers are held").choices(PRECISIONS).default("fx16"),
    )
    .addOption(dimOption())
    .addOption(pinOption())
    .addOption(stateOption())
    .option("--report <FILE.json>", "write scales, ranges and clipped values of every tensor")
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: CompileFlags) => {
      const output = flags.output ?? `${path.replace(/\.onnx$/i, "")}.aivm`;
      const model = await readBytes(path);
      await checkWritable(output);
      if (flags.report !== undefined) await checkWritable(flags.report);
      const { compile, importSupported } = await import("../../compiler/compile.js");
      const source = { dims: flags.dim ?? {}, externalData: externalDataBeside(path) };
      const { describeModel } = await import("../../compiler/describe.js");
      const description = inFile(path, () => describeModel(model, source));
      const options = { ...source, pins: await readPins(flags.pin, description) };
      inFile(path, () => importSupported(model, options)); // what cannot be compiled is said before the long work
      const calibration = await calibrationOf(terminal, model, options, flags);
      const progress = await startProgress(terminal, "compiling", 100);
      let result;
      try {
        result = compile(model, {
          ...options,
          calibration,
          precision: flags.precision,
          states: flags.state ?? {},
          onProgress: (share) => progress.update(Math.floor(100 * share)),
        });
      } finally {
        progress.stop();
      }
      await writeBytes(output, result.bytes);
      const report = await fullReport(result, calibration);
      if (flags.report !== undefined) await writeBytes(flags.report, json(report));
      if (flags.json) terminal.out(json({ output, ...report, tensors: report.tensors.length }));
      else terminal.out(describe(output, report));
      warnIfMadeUp(terminal, calibration);
      for (const branch of report.untakenBranches)
        warn(terminal, `no sample took ${branch}; a run that takes it will trap`);
      if (report.clippedValues > 0) {
        const where =
          flags.report === undefined ? "--report FILE.json lists the tensors" : flags.report;
        const share = ((100 * report.clippedValues) / report.countedValues).toPrecision(2);
        warn(
          terminal,
          `${grouped(report.clippedValues)} values (${share} %) lay outside their format in calibration; ${where}`,
        );
      }
    });
}

async function calibrationOf(
  terminal: Terminal,
  model: Uint8Array,
  options: ImportOptions,
  { samples, calibration }: CompileFlags,
): Promise<Calibration> {
  if (calibration === undefined) return calibrateModel(terminal, model, options, samples ?? []);
  const { parseCalibration } = await import("../../analysis/calibrationFile.js");
  return parseCalibration(new TextDecoder().decode(await readBytes(calibration)), calibration);
}

async function fullReport({ module, report }: CompileResult, { dims }: Calibration) {
  return {
    moduleId: toHex(moduleId(module)),
    ...report,
    countedValues: report.tensors.reduce((sum, { count }) => sum + count, 0),
    gas: gasOf(await entryGas(module, dims), 0),
    /** Sizes of the module's open dimensions that the gas is for. */
    openDims: Object.fromEntries(
      module.configuration.dimensions.map(({ name }) => [name, dims[name] ?? null]),
    ),
  };
}

function describe(output: string, report: Awaited<ReturnType<typeof fullReport>>): string {
  const { moduleId: id, precision, samples, moduleBytes, parameterBytes, parameters } = report;
  const madeUp = report.madeUpSamples ? "made-up " : "";
  const known = report.gas.kind !== "unknown";
  const at = Object.entries(report.openDims)
    .map(([name, size]) => `${name}=${String(size)}`)
    .join(", ");
  return table([
    ["wrote", `${output} (${bytes(moduleBytes)})`],
    ["module", id],
    ["precision", `${precision}, calibrated on ${counted(samples, `${madeUp}sample`)}`],
    ["code", counted(report.instructions, "instruction")],
    ["parameters", `${counted(parameters, "tensor")}, ${bytes(parameterBytes)}`],
    ["gas", `${describeGas(report.gas)}${known && at !== "" ? ` for ${at}` : ""}`],
    ...Object.entries(report.states).map(([out, input]) => ["state", `${out} → ${input}`] as const),
    ["clipped", `${grouped(report.clippedValues)} of ${grouped(report.countedValues)} values`],
  ]);
}
