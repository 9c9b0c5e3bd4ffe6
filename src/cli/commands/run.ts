import type { Command } from "commander";
import type { HostArray, HostElementType } from "../../core/hostArray.js";
import type { Port } from "../../module/module.js";
import type { HostValue } from "../../vm/hostValues.js";
import type { OutputTensor } from "../../vm/outputTensor.js";
import type { SimdBackend } from "../../tensor/simd/index.js";
import type { RunResult } from "../../vm/run.js";
import { jsonOption, parseGas, parseSeed } from "../arguments.js";
import type { BackendName } from "../backends.js";
import { backendOption, openBackend, threadsOption } from "../backends.js";
import { checkWritable, writeBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import { openModule } from "../files/moduleFile.js";
import { counted, duration, grouped, json, table } from "../format.js";
import type { Terminal } from "../terminal.js";
import { fail, paint, warn } from "../terminal.js";

interface RunFlags {
  readonly input?: readonly string[];
  readonly entry?: string;
  readonly outputDir?: string;
  readonly raw?: true;
  readonly backend: BackendName;
  readonly threads: number;
  readonly gas?: bigint;
  readonly seed?: string;
  readonly receipt?: string;
  readonly json?: true;
}

/** How a command ended that did all its work. */
export interface Outcome {
  failed: boolean;
}

const EXAMPLES = `
Float files are real numbers, converted by the scale of the input; integer files are taken as the
integers that the module computes with. Outputs are written as NAME.npy: real numbers, or with
--raw the integers whose hash the receipt holds. A run that traps exits with 1; its receipt is
written all the same.

Examples:
  $ aivm run model.aivm --input image=digit.npy
  $ aivm run model.aivm --input ids=ids.npy --input mask=mask.npy --output-dir out --raw
  $ aivm run model.aivm --input image=digit.npy --backend reference --receipt receipt.json`;

export function addRun(program: Command, terminal: Terminal, outcome: Outcome): void {
  program
    .command("run")
    .description("run a module and print the hash of its outputs and its gas")
    .argument("<MODULE.aivm>", "the module")
    .option("--input <NAME=FILE...>", "an input: .npy, .npz or ONNX .pb file; one for each input")
    .option("--entry <NAME>", "entry point (default: the first)")
    .option("--output-dir <DIR>", "write each output to DIR/NAME.npy")
    .option("--raw", "write outputs as integers")
    .addOption(backendOption())
    .addOption(threadsOption())
    .option("--gas <N>", "gas limit", parseGas)
    .option("--seed <HEX>", "seed of the run, 64 hexadecimal digits (default: zeros)", parseSeed)
    .option("--receipt <FILE.json>", "write the receipt")
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: RunFlags) => {
      const { instantiate } = await import("../../vm/instance.js");
      const { findEntry } = await import("../../vm/program.js");
      const { loadInputs } = await import("../files/loadInputs.js");
      const file = await openModule(path);
      if (flags.receipt !== undefined) await checkWritable(flags.receipt);
      const backend = await openBackend(flags.backend, flags.threads);
      const threads = (backend as Partial<SimdBackend>).threads ?? 1;
      if (threads < flags.threads) {
        const has = counted(threads, "thread");
        warn(terminal, `the ${flags.backend} engine works on ${has} here, not ${flags.threads}`);
      }
      const instance = inFile(path, () =>
        instantiate(file.module, { backend, ownsBackend: true, parameters: file.parameters }),
      );
      const entry = findEntry(instance.module.configuration, flags.entry);
      const names = entry.inputs.map(({ name }) => name);
      const arrays = await loadInputs(flags.input ?? [], names);
      const inputs: Record<string, HostValue> = Object.create(null) as Record<string, HostValue>;
      for (const port of entry.inputs) {
        inputs[port.name] = inputValue(terminal, port, arrays.get(port.name)!);
      }
      const begin = performance.now();
      const { gas, seed } = flags;
      const result = await instance.run({ entry: entry.name, inputs, gas, seed });
      const timeMs = performance.now() - begin;
      instance.dispose();
      file.close();

      if (flags.receipt !== undefined) await writeBytes(flags.receipt, json(result.receipt));
      const files = await writeResult(result, flags);
      const engine = threads === 1 ? flags.backend : `${flags.backend}, ${threads} threads`;
      if (flags.json) {
        const outputs = Object.values(result.outputs ?? {}).map(({ name, dtype, shape }) => {
          const file = files.get(name);
          return [name, { dtype, shape, ...(file === undefined ? {} : { file }) }] as const;
        });
        const { receipt, statistics } = result;
        terminal.out(
          json({
            receipt,
            outputs: Object.fromEntries(outputs),
            backend: flags.backend,
            threads,
            timeMs,
            statistics,
            ...(result.trap === undefined ? {} : { trap: result.trap.message }),
          }),
        );
      } else terminal.out(describe(result, files, timeMs, engine, terminal));
      for (const [name, count] of Object.entries(result.statistics.saturated)) {
        warn(terminal, `${counted(count, "value")} of input "${name}" beyond its range: clipped`);
      }
      if (result.trap !== undefined) {
        outcome.failed = true;
        fail(terminal, `the run trapped, ${result.trap.code}: ${result.trap.message}`);
      }
    });
}

/** Reals where the file has floats, integers where it has integers. */
function inputValue(
  terminal: Terminal,
  port: Port,
  { elementType, dims, data }: HostArray,
): HostValue {
  if (elementType.startsWith("float")) return { reals: data as Float32Array, dims };
  if (port.scale !== undefined) {
    warn(
      terminal,
      `the file for input "${port.name}" holds ${elementType}, taken as integers of the module's scale; ` +
        "save it as float to hand in real numbers",
    );
  }
  return { integers: data, dims };
}

async function writeResult(
  { outputs }: RunResult,
  { outputDir, raw }: RunFlags,
): Promise<ReadonlyMap<string, string>> {
  if (outputs === undefined || outputDir === undefined) return new Map();
  const { writeOutputs } = await import("../files/writeOutputs.js");
  const arrays = Object.values(outputs).map(
    (output) => [output.name, toArray(output, raw)] as const,
  );
  return writeOutputs(outputDir, new Map(arrays));
}

const ELEMENT_TYPES = {
  bool: "bool",
  u8: "uint8",
  i8: "int8",
  i16: "int16",
  i32: "int32",
  i64: "int64",
} as const satisfies Record<Port["dtype"], HostElementType>;

function toArray(output: OutputTensor, raw: true | undefined): HostArray {
  const { dtype, shape: dims, integers, scale } = output;
  if (raw || scale === undefined)
    return { elementType: ELEMENT_TYPES[dtype], dims, data: integers };
  return { elementType: "float32", dims, data: output.reals("float32") };
}

function describe(
  { receipt, outputs, trap }: RunResult,
  files: ReadonlyMap<string, string>,
  timeMs: number,
  engine: string,
  { outColor }: Terminal,
): string {
  const status =
    trap === undefined
      ? paint("green", "finished", outColor)
      : `${paint("red", "trapped", outColor)}: ${trap.code}`;
  const rows = [
    ["module", receipt.moduleId],
    ["status", status],
    ["output hash", receipt.outputHash ?? "none"],
    ["gas", grouped(receipt.gasUsed)],
    ["time", `${duration(timeMs)} on ${engine}`],
  ];
  for (const output of Object.values(outputs ?? {})) {
    const { name, dtype, shape } = output;
    const value = files.get(name) ?? preview(output);
    rows.push(["output", `${name} ${dtype}[${shape.join(",")}] ${value}`]);
  }
  return table(rows);
}

/** The first elements, for those who only want a look. */
function preview(output: OutputTensor): string {
  const { scale, integers } = output;
  const values =
    scale === undefined
      ? Array.from(integers.slice(0, 6) as ArrayLike<number | bigint>, String)
      : Array.from(output.reals().subarray(0, 6), (x) => String(Number(x.toPrecision(5))));
  return `${values.join(" ")}${integers.length > 6 ? " …" : ""}`;
}
