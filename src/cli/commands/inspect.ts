import type { Command } from "commander";
import { InputError, InvalidError } from "../../core/errors.js";
import type { Dimension, Module, Port } from "../../module/module.js";
import { dimOption, jsonOption } from "../arguments.js";
import { list } from "../files/loadSamples.js";
import type { ModuleFile } from "../files/moduleFile.js";
import { openModule } from "../files/moduleFile.js";
import { bytes, counted, json, table } from "../format.js";
import type { EntryGas } from "../gas.js";
import { describeGas, entryGas, gasOf } from "../gas.js";
import type { Terminal } from "../terminal.js";

interface InspectFlags {
  readonly dim?: Record<string, number>;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ aivm inspect model.aivm
  $ aivm inspect model.aivm --json
  $ aivm inspect model.aivm --dim batch=8      # gas for a batch of 8`;

export function addInspect(program: Command, terminal: Terminal): void {
  program
    .command("inspect")
    .description("show a module's identity, entry points, sizes and gas")
    .argument("<MODULE.aivm>", "the module")
    .addOption(dimOption("the module"))
    .addOption(jsonOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, { dim, json: asJson }: InspectFlags) => {
      const file = await openModule(path);
      file.close();
      checkDims(file.module, dim ?? {});
      const inspection = await inspect(file, dim ?? {});
      terminal.out(asJson ? json(inspection) : describe(inspection));
    });
}

function checkDims({ configuration }: Module, dims: Record<string, number>): void {
  const names = configuration.dimensions.map(({ name }) => name);
  const unknown = Object.keys(dims).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const has = names.length === 0 ? "no open dimensions" : list(names);
  throw new InputError(
    "UnknownDimension",
    `no dimension is named ${list([unknown])}; the module has ${has}`,
    { name: unknown },
  );
}

async function inspect(
  { module, parameters: inFile, lengthBytes }: ModuleFile,
  dims: Record<string, number>,
) {
  const { moduleId } = await import("../../module/hash.js");
  const { toHex } = await import("../../module/hex.js");
  const { encodeFunctions } = await import("../../module/encode.js");
  const { byteLength } = await import("../../core/shape.js");
  const { configuration, functions, aggregation, parameters, parameterData, provenance } = module;
  const problem = await validity(module);
  const gas = problem === undefined ? await entryGas(module, dims) : [];
  const port = ({ name, dtype, shape, scale }: Port) => ({
    name,
    dtype,
    shape: shape.map((dimension) => dimensionText(dimension, module)),
    ...(scale === undefined ? {} : { scale, step: scale.mantissa * 2 ** scale.exponent }),
  });
  const part = (code: Module["functions"]) => ({
    functions: code.length,
    instructions: code.reduce((sum, { body }) => sum + body.length, 0),
    bytes: encodeFunctions(code).length,
  });
  return {
    moduleId: toHex(moduleId(module)),
    bytes: lengthBytes,
    isaVersion: configuration.isaVersion,
    gasVersion: configuration.gasVersion,
    features: configuration.features,
    valid: problem === undefined,
    ...(problem === undefined ? {} : { problem }),
    dimensions: configuration.dimensions,
    entries: configuration.entries.map(({ name, inputs, outputs }, i) => ({
      name,
      inputs: inputs.map(port),
      outputs: outputs.map(port),
      gas: gasOf(gas, i),
    })),
    aggregations: configuration.aggregations.map(
      ({ entry }) => configuration.entries[entry]?.name ?? String(entry),
    ),
    code: part(functions),
    aggregation: part(aggregation),
    parameters: {
      count: parameters.length,
      bytes: parameters.reduce((sum, parameter) => sum + byteLength(parameter), 0),
      absent: parameters.filter(
        ({ root }, i) => parameterData[i] === undefined && !inFile.has(toHex(root)),
      ).length,
    },
    provenance,
  };
}

/** What is wrong with the code, if anything. */
async function validity(module: Module): Promise<string | undefined> {
  const { validateModule } = await import("../../module/validate.js");
  try {
    validateModule(module);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidError) return error.message;
    throw error;
  }
}

/** A number, a name, or `floor((2*N+1)/4)`. */
function dimensionText(dimension: Dimension, { configuration }: Module): number | string {
  if (typeof dimension === "number") return dimension;
  const { multiplier, offset, divisor } = dimension;
  const name = configuration.dimensions[dimension.dimension]?.name ?? "?";
  const scaled = multiplier === 1 ? name : `${String(multiplier)}*${name}`;
  const moved = offset === 0 ? scaled : `${scaled}${offset < 0 ? "" : "+"}${String(offset)}`;
  return divisor === 1 ? moved : `floor((${moved})/${String(divisor)})`;
}

type Inspection = Awaited<ReturnType<typeof inspect>>;
type InspectedPort = Inspection["entries"][number]["inputs"][number];

function describe(x: Inspection): string {
  const { code, aggregation, parameters } = x;
  const size = (part: typeof code): string =>
    `${counted(part.instructions, "instruction")} in ${counted(part.functions, "function")}, ${bytes(part.bytes)}`;
  const absent = parameters.absent > 0 ? `, ${String(parameters.absent)} absent` : "";
  const rows = [
    ["module", x.moduleId],
    ["file", bytes(x.bytes)],
    ["versions", `isa ${String(x.isaVersion)}, gas ${String(x.gasVersion)}`],
    ["valid", x.problem === undefined ? "yes" : `NO: ${x.problem}`],
    ["code", size(code)],
  ];
  if (aggregation.functions > 0) rows.push(["aggregation", size(aggregation)]);
  rows.push([
    "parameters",
    `${counted(parameters.count, "tensor")}, ${bytes(parameters.bytes)}${absent}`,
  ]);
  for (const { name, maximum } of x.dimensions) {
    rows.push(["dimension", `${name}, at most ${String(maximum)}`]);
  }
  for (const [key, value] of Object.entries(x.provenance)) rows.push([key, value]);
  const entries = x.entries.map(({ name, inputs, outputs, gas }) => {
    const ports = [
      ...inputs.map((port) => portRow("input", port)),
      ...outputs.map((port) => portRow("output", port)),
      ["  gas", describeGas(gas satisfies EntryGas)],
    ];
    return `\n${table([[`entry ${name}`]])}${table(ports)}`;
  });
  return table(rows) + entries.join("");
}

function portRow(kind: string, { name, dtype, shape, scale, step }: InspectedPort): string[] {
  const zero =
    scale === undefined || scale.zeroPoint === 0n ? "" : `, zero point ${String(scale.zeroPoint)}`;
  const real = step === undefined ? "" : `  step ${step.toPrecision(6)}${zero}`;
  return [`  ${kind}`, `${name} ${dtype}[${shape.join(",")}]${real}`];
}
