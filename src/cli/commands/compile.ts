import { basename } from "node:path";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { Calibration } from "../../compiler/calibration.js";
import type { CompileOptions, CompileResult } from "../../compiler/compile.js";
import type { ImportOptions } from "../../compiler/importModel.js";
import type { Precision } from "../../compiler/lower/profile.js";
import { InputError } from "../../core/errors.js";
import { moduleId } from "../../module/hash.js";
import { toHex } from "../../module/hex.js";
import { dimOption, jsonOption, stateOption } from "../arguments.js";
import { calibrateModel, warnIfMadeUp } from "../calibrateModel.js";
import { checkWritable, externalDataBeside, readBytes, writeBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import { ParameterFile, writePieces } from "../files/parameterFile.js";
import { bytes, counted, grouped, json, table } from "../format.js";
import { describeGas, entryGas, gasOf } from "../gas.js";
import { pinOption, readPins } from "../pins.js";
import type { ReadPlan } from "../plans.js";
import { choosePlanFile, readPlan } from "../plans.js";
import { startProgress } from "../progress.js";
import { reportPage } from "../report/reportPage.js";
import type { Terminal } from "../terminal.js";
import { warn } from "../terminal.js";

/** As in the compiler, which is not loaded for help. */
const PRECISIONS = ["fx16", "fx16w8", "fx8", "fx32"] as const satisfies readonly Precision[];

/** No profile: bits are chosen by measurement. */
const AUTO = "auto";
const DEFAULT_TARGET_DB = 40;

interface CompileFlags {
  readonly output?: string;
  readonly samples?: readonly string[];
  readonly calibration?: string;
  readonly precision: Precision | "auto";
  readonly targetSqnr?: number;
  readonly plan?: string;
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
  auto    fx16 with 8-bit weights wherever the outputs keep --target-sqnr, and 2 dB more, on the
          first twelve --samples: others come out differently; what was chosen is written to the
          --plan file, to compile from again

Samples are .npy, .npz (arrays named after the inputs) or ONNX .pb files, or folders of them.
Inputs that say shapes, axes or sizes can be pinned: the module then does not take them.
Beside --calibration, --samples are what --precision auto and the page of --report measure on.
The same model, calibration, plan and options give the same bytes on every machine.

Examples:
  $ aivm compile model.onnx --samples images/
  $ aivm compile model.onnx -o small.aivm --precision fx8 --calibration model.calibration.json
  $ aivm compile model.onnx --samples a.npz --dim batch=1 --report report.html
  $ aivm compile model.onnx --samples images/ --precision auto --target-sqnr 35
  $ aivm compile model.onnx --calibration model.calibration.json --plan model.plan.json`;

export function addCompile(program: Command, terminal: Terminal): void {
  program
    .command("compile")
    .description("compile an ONNX model to an AIVM module")
    .argument("<MODEL.onnx>", "the model")
    .option("-o, --output <OUT.aivm>", "module file (default: MODEL.aivm)")
    .option("--samples <PATH...>", "real inputs to calibrate on: files or folders")
    .option("--calibration <FILE>", "calibration file that `aivm calibrate` wrote")
    .addOption(
      new Option("--precision <P>", "how numbers are held")
        .choices([...PRECISIONS, AUTO])
        .default("fx16"),
    )
    .addOption(
      new Option(
        "--target-sqnr <DB>",
        `what the outputs keep with --precision auto, in dB (default: ${String(DEFAULT_TARGET_DB)})`,
      ).argParser(parseDecibels),
    )
    .option(
      "--plan <FILE.json>",
      "bits that were chosen: written by --precision auto (default: MODEL.plan.json), else read",
    )
    .addOption(dimOption())
    .addOption(pinOption())
    .addOption(stateOption())
    .option(
      "--report <FILE>",
      "write what was done to each layer: a page to look at (.html), or JSON",
    )
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: CompileFlags, command: Command) => {
      checkFlags(flags, command.getOptionValueSource("precision") === "cli");
      const base = path.replace(/\.onnx$/i, "");
      const output = flags.output ?? `${base}.aivm`;
      const planFile = flags.plan ?? `${base}.plan.json`;
      const model = await readBytes(path);
      await checkWritable(output);
      if (flags.report !== undefined) await checkWritable(flags.report);
      if (flags.precision === AUTO) await checkWritable(planFile);
      const { compile, importSupported } = await import("../../compiler/compile.js");
      const source = { dims: flags.dim ?? {}, externalData: externalDataBeside(path) };
      const { describeModel } = await import("../../compiler/describe.js");
      const description = inFile(path, () => describeModel(model, source));
      const imported = { ...source, pins: await readPins(flags.pin, description) };
      // What cannot be compiled is said before the long work.
      const graph = inFile(path, () => importSupported(model, imported));
      const readEarly = flags.precision === AUTO || flags.plan === undefined;
      const given = readEarly ? undefined : await readPlan(planFile);
      const calibration = await calibrationOf(terminal, model, imported, flags);
      const basic = { ...imported, calibration, states: flags.state ?? {} };
      const samples = flags.samples ?? [];
      const planned =
        flags.precision === AUTO
          ? await choosePlanFile(terminal, model, {
              ...basic,
              samples,
              targetSqnrDb: flags.targetSqnr ?? DEFAULT_TARGET_DB,
              file: planFile,
            })
          : given;
      const options: CompileOptions = {
        ...basic,
        ...(planned === undefined
          ? { precision: flags.precision as Precision }
          : { plan: planned.plan }),
      };
      const progress = await startProgress(terminal, "compiling", 100);
      const parameters = new ParameterFile(`${output}.parameters`);
      let result;
      try {
        const { writeModule } = await import("../../module/encode.js");
        const compiled = compile(model, {
          ...options,
          parameters,
          onProgress: (share) => progress.update(Math.floor(100 * share)),
        });
        writePieces(output, (write) => writeModule(compiled.module, write, parameters));
        result = compiled;
      } finally {
        parameters.close();
        progress.stop();
      }
      const report = await fullReport(result, calibration, planned);
      if (flags.report !== undefined) {
        const page = isPage(flags.report)
          ? await reportPage(terminal, {
              name: basename(path),
              model,
              graph,
              options,
              result,
              samples,
            })
          : json(report);
        await writeBytes(flags.report, page);
      }
      const { tensors, weights, ...rest } = report;
      if (flags.json)
        terminal.out(json({ output, ...rest, tensors: tensors.length, weights: weights.length }));
      else terminal.out(describe(output, report));
      warnIfMadeUp(terminal, calibration);
      for (const branch of report.untakenBranches)
        warn(terminal, `no sample took ${branch}; a run that takes it will trap`);
      if (report.clippedValues > 0) {
        const where = flags.report === undefined ? "--report FILE.html shows where" : flags.report;
        const share = ((100 * report.clippedValues) / report.countedValues).toPrecision(2);
        warn(
          terminal,
          `${grouped(report.clippedValues)} values (${share} %) lay outside their format in calibration; ${where}`,
        );
      }
    });
}

const isPage = (file: string): boolean => /\.html?$/i.test(file);

function parseDecibels(text: string): number {
  const db = text.trim() === "" ? NaN : Number(text);
  if (!(db > 0 && db <= 200)) throw new InvalidArgumentError("Give dB, above 0 and up to 200.");
  return db;
}

/** Refuses flags that would do nothing, or contradict each other. */
function checkFlags(flags: CompileFlags, precisionGiven: boolean): void {
  const { samples, calibration, precision, plan, targetSqnr, report } = flags;
  const wrong = (what: string): InputError => new InputError("BadInputArgument", what);
  if (precision === AUTO) {
    if (samples === undefined)
      throw wrong("--precision auto measures on real inputs: give --samples PATH...");
    return;
  }
  if (targetSqnr !== undefined) throw wrong("--target-sqnr is for --precision auto");
  if (plan !== undefined && precisionGiven)
    throw wrong("--precision cannot be used with --plan, which says it; auto writes a plan");
  if (samples !== undefined && calibration !== undefined && !isPage(report ?? ""))
    throw wrong(
      "--samples cannot be used with --calibration, but for --precision auto and --report FILE.html",
    );
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

async function fullReport(
  { module, report }: CompileResult,
  { dims }: Calibration,
  planned: ReadPlan | undefined,
) {
  return {
    moduleId: toHex(moduleId(module)),
    ...report,
    ...(planned === undefined
      ? {}
      : { plan: { ...planned.summary, roundedWeights: report.weights.length } }),
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
    ...planRows(report),
    ["code", counted(report.instructions, "instruction")],
    ["parameters", `${counted(parameters, "tensor")}, ${bytes(parameterBytes)}`],
    ["gas", `${describeGas(report.gas)}${known && at !== "" ? ` for ${at}` : ""}`],
    ...Object.entries(report.states).map(([out, input]) => ["state", `${out} → ${input}`] as const),
    ["clipped", `${grouped(report.clippedValues)} of ${grouped(report.countedValues)} values`],
  ]);
}

function planRows({ plan }: Awaited<ReturnType<typeof fullReport>>): (readonly [string, string])[] {
  if (plan === undefined) return [];
  const { file, eightBitWeights, roundedWeights, chosen } = plan;
  const weights = `8 bits for ${grouped(eightBitWeights)} of ${counted(roundedWeights, "weight")}`;
  const rows = [["plan", `${file}: ${weights}`]] as [string, string][];
  if (chosen !== undefined) {
    const { sqnrDb, targetSqnrDb, fullSqnrDb, fullBytes } = chosen;
    rows.push([
      "SQNR",
      `${sqnrDb.toFixed(1)} dB for ${String(targetSqnrDb)} dB; ${fullSqnrDb.toFixed(1)} dB and ${bytes(fullBytes)} with 16 bits throughout`,
    ]);
  }
  return rows;
}
