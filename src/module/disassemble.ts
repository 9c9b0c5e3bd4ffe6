import type { TensorType } from "../core/shape.js";
import { formatShape } from "../core/shape.js";
import type { Instruction } from "../opcodes/index.js";
import { recordOf } from "../opcodes/index.js";
import type { AnyImmediates, BlockType } from "../opcodes/record.js";
import { toHex } from "./hex.js";
import type {
  Dimension,
  Module,
  ModuleFunction,
  NamedDimension,
  ParameterInfo,
  Port,
} from "./module.js";
import { compareUtf8 } from "./utf8.js";

const BYTES_PER_LINE = 32;
const LOCALS_PER_LINE = 12;
/** Deeper blocks are not indented further: the text stays linear in the code. */
const MAX_INDENT = 32;

/**
 * A module as text, one declaration or instruction a line, which `parseAssembly` reads back to the
 * same module, parameter data included. The module must be well formed. `spec/assembly.md` has the
 * grammar.
 */
export function formatAssembly(module: Module): string {
  const { configuration, functions, aggregation, parameters, parameterData, provenance } = module;
  const { isaVersion, gasVersion, features, dimensions, entries, aggregations } = configuration;
  const lines = [`aivm isa=${isaVersion} gas=${gasVersion}`];
  for (const feature of features) lines.push(`feature ${quote(feature)}`);
  for (const { name, maximum } of dimensions)
    lines.push(`dimension ${quote(name)} maximum=${maximum}`);
  for (const { name, function: index, inputs, outputs } of entries) {
    lines.push("", `entry ${quote(name)} function=${index}`);
    for (const port of inputs) lines.push(`  input ${formatPort(port, dimensions)}`);
    for (const port of outputs) lines.push(`  output ${formatPort(port, dimensions)}`);
  }
  if (aggregations.length > 0) lines.push("");
  for (const { entry, function: index } of aggregations) {
    lines.push(`aggregate ${quote(entries[entry]!.name)} function=${index}`);
  }
  parameters.forEach((parameter, i) => formatParameter(lines, parameter, parameterData[i], i));
  functions.forEach((code, i) => formatFunction(lines, "function", code, i, parameters));
  aggregation.forEach((code, i) => formatFunction(lines, "aggregation", code, i, parameters));
  const notes = Object.entries(provenance).sort(([a], [b]) => compareUtf8(a, b));
  if (notes.length > 0) lines.push("");
  for (const [key, value] of notes) lines.push(`provenance ${quote(key)} ${quote(value)}`);
  return `${lines.join("\n")}\n`;
}

/** One instruction as text: `conv aBits=16 …`. */
export function formatInstruction({ op, imm }: Instruction): string {
  const words: string[] = [op];
  // The assembler wants them as the record has them, whatever order an object was built in.
  for (const name of Object.keys(recordOf(op).immediates)) {
    words.push(`${name}=${formatImmediate((imm as AnyImmediates)[name]!)}`);
  }
  return words.join(" ");
}

function formatImmediate(value: AnyImmediates[string]): string {
  if (typeof value !== "object") return String(value);
  return "params" in value ? formatBlockType(value) : `[${value.join(",")}]`;
}

function formatBlockType({ params, results }: BlockType): string {
  return `(${formatTypes(params)})->(${formatTypes(results)})`;
}

function formatTypes(types: readonly TensorType[]): string {
  return types.map(({ dtype, rank }) => `${dtype}:${rank}`).join(", ");
}

/** A JSON string that has no line break of any kind in it. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u2028\u2029\u0085]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function formatPort(
  { name, dtype, shape, scale }: Port,
  dimensions: readonly NamedDimension[],
): string {
  const dims = shape.map((dimension) => formatDimension(dimension, dimensions)).join(", ");
  const real =
    scale === undefined
      ? ""
      : ` mantissa=${scale.mantissa} exponent=${scale.exponent} zeroPoint=${scale.zeroPoint}`;
  return `${quote(name)} ${dtype} [${dims}]${real}`;
}

function formatDimension(dimension: Dimension, dimensions: readonly NamedDimension[]): string {
  if (typeof dimension === "number") return String(dimension);
  const { multiplier, offset, divisor } = dimension;
  const name = quote(dimensions[dimension.dimension]!.name);
  if (multiplier === 1 && offset === 0 && divisor === 1) return name;
  return `(${name}*${multiplier}${offset < 0 ? "" : "+"}${offset})/${divisor}`;
}

function formatParameter(
  lines: string[],
  { dtype, shape, root }: ParameterInfo,
  data: Uint8Array | undefined,
  index: number,
): void {
  const head = `parameter ${dtype} ${formatShape(shape)} root=${quote(toHex(root))}`;
  lines.push("", `${head}${data === undefined ? " absent" : ""} # parameter ${index}`);
  if (data === undefined) return;
  for (let at = 0; at < data.length; at += BYTES_PER_LINE) {
    lines.push(`  data ${quote(toHex(data.subarray(at, at + BYTES_PER_LINE)))}`);
  }
}

function formatFunction(
  lines: string[],
  keyword: "function" | "aggregation",
  code: ModuleFunction,
  index: number,
  parameters: readonly ParameterInfo[],
): void {
  lines.push("", `${keyword} ${formatBlockType(code)} # ${keyword} ${index}`);
  for (let i = 0; i < code.locals.length; i += LOCALS_PER_LINE) {
    lines.push(`  locals ${formatTypes(code.locals.slice(i, i + LOCALS_PER_LINE))}`);
  }
  let depth = 1;
  for (const instruction of code.body) {
    const { op } = instruction;
    const outdent = op === "end" || op === "else" ? 1 : 0;
    const indent = Math.min(Math.max(depth - outdent, 0), MAX_INDENT);
    const parameter = op === "const" ? parameters[instruction.imm.parameter] : undefined;
    const note =
      parameter === undefined ? "" : ` # ${parameter.dtype} ${formatShape(parameter.shape)}`;
    lines.push(`${"  ".repeat(indent)}${formatInstruction(instruction)}${note}`);
    if (op === "block" || op === "loop" || op === "if") depth++;
    if (op === "end") depth--;
  }
}
