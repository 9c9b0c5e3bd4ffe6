/** `--pin NAME=VALUE`: inputs of a model that get their value when compiling. */
import { Option } from "commander";
import type { ModelDescription, ModelPort } from "../compiler/describe.js";
import { InputError } from "../core/errors.js";
import type { HostArray } from "../core/hostArray.js";
import { readInput, splitInput } from "./files/loadInputs.js";

export type Pins = Readonly<Record<string, HostArray>>;

/** `--pin NAME=VALUE`, which may be repeated. */
export function pinOption(): Option {
  return new Option(
    "--pin <NAME=VALUE>",
    "give an input its value now: numbers (0, 1,3,224,224, true) or a file; may be repeated",
  ).argParser((text: string, previous: string[] | undefined) => [...(previous ?? []), text]);
}

/**
 * Reads the values of pinned inputs.
 * @param model what the model takes, nothing pinned
 * @throws InputError `BadInputArgument` when a name is unknown or given twice, or numbers do not fit
 */
export async function readPins(
  args: readonly string[] = [],
  { inputs }: ModelDescription,
): Promise<Pins> {
  const names = inputs.map(({ name }) => name);
  const pins: Record<string, HostArray> = {};
  for (const arg of args) {
    const { name, file } = splitInput(arg, names);
    if (Object.hasOwn(pins, name)) {
      throw new InputError("BadInputArgument", `input "${name}" is pinned twice`, { name });
    }
    const port = inputs.find((input) => input.name === name)!;
    pins[name] = numbersIn(port, file) ?? (await readInput(name, file));
  }
  return pins;
}

const INTEGERS = /^[-+]?\d{1,19}(,[-+]?\d{1,19})*$/;
const NUMBERS = /^[-+]?[\d.]+(e[-+]?\d+)?(,[-+]?[\d.]+(e[-+]?\d+)?)*$/i;
const BOOLEANS = /^(true|false)(,(true|false))*$/;

const INTEGER_ARRAY = {
  bool: (x: readonly bigint[]) => Uint8Array.from(x, (v) => (v === 0n ? 0 : 1)),
  uint8: (x: readonly bigint[]) => Uint8Array.from(x, Number),
  int8: (x: readonly bigint[]) => Int8Array.from(x, Number),
  uint16: (x: readonly bigint[]) => Uint16Array.from(x, Number),
  int16: (x: readonly bigint[]) => Int16Array.from(x, Number),
  uint32: (x: readonly bigint[]) => Uint32Array.from(x, Number),
  int32: (x: readonly bigint[]) => Int32Array.from(x, Number),
  uint64: (x: readonly bigint[]) => BigUint64Array.from(x),
  int64: (x: readonly bigint[]) => BigInt64Array.from(x),
};

/** The array that a list of numbers is for an input, or undefined when the text is no such list. */
function numbersIn({ name, elementType, dims }: ModelPort, text: string): HostArray | undefined {
  if (elementType === undefined || elementType === "string") return undefined;
  const items = text.split(",");
  const boolean = BOOLEANS.test(text);
  if (!boolean && !NUMBERS.test(text)) return undefined;
  const bad = (why: string): InputError =>
    new InputError("BadInputArgument", `the pin ${text} of input "${name}" ${why}`, { name });
  const rank = dims?.length ?? (items.length === 1 ? 0 : 1);
  if (rank > 1 || (rank === 0 && items.length !== 1)) {
    throw bad(`must have shape [${(dims ?? []).join(",")}]; give a .npy file`);
  }
  const shape = rank === 0 ? [] : [items.length];
  if (elementType.startsWith("float") || elementType === "bfloat16") {
    const data = Float64Array.from(items, Number);
    if (boolean || data.some((x) => Number.isNaN(x))) throw bad("is no list of numbers");
    return { elementType: "float64", dims: shape, data };
  }
  if (!boolean && !INTEGERS.test(text)) throw bad(`must be ${elementType}`);
  const wanted = elementType as keyof typeof INTEGER_ARRAY;
  const values = items.map((item) => (boolean ? (item === "true" ? 1n : 0n) : BigInt(item)));
  const data = INTEGER_ARRAY[wanted](values);
  if (values.some((value, i) => BigInt(data[i]!) !== value)) throw bad(`does not fit ${wanted}`);
  return { elementType: wanted, dims: shape, data };
}
