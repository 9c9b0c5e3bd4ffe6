import { InputError } from "../../core/errors.js";
import type { HostArray } from "../../core/hostArray.js";
import { list } from "./loadSamples.js";
import { readArrays } from "./readArrays.js";

/**
 * Reads the inputs of a run from arguments of the form `NAME=FILE`. Of a `.npz` file the array
 * called NAME is taken, or its only one.
 *
 * @param inputNames the inputs that the entry point declares
 * @throws {InputError} `BadInputArgument` when an argument has another form, or a name is unknown,
 * given twice or missing; or what the format's reader throws
 */
export async function loadInputs(
  args: readonly string[],
  inputNames: readonly string[],
): Promise<Map<string, HostArray>> {
  const files = new Map<string, string>();
  for (const arg of args) {
    const { name, file } = splitInput(arg, inputNames);
    if (files.has(name)) throw bad(`input "${name}" is given twice`, inputNames);
    files.set(name, file);
  }
  const missing = inputNames.filter((name) => !files.has(name));
  if (missing.length > 0) throw bad(`no file is given for ${list(missing)}`, inputNames);

  const inputs = new Map<string, HostArray>();
  for (const [name, file] of files) inputs.set(name, await readInput(name, file));
  return inputs;
}

/** Splits NAME=FILE. Names may contain "=", so the declared ones decide where the name ends. */
export function splitInput(
  arg: string,
  inputNames: readonly string[],
): { name: string; file: string } {
  const fitting = inputNames.filter((name) => arg.startsWith(`${name}=`));
  const name = fitting.sort((a, b) => b.length - a.length)[0];
  if (name === undefined) throw bad(`"${arg}" names no input`, inputNames);
  const file = arg.slice(name.length + 1);
  if (file === "") throw bad(`"${arg}" names no file`, inputNames);
  return { name, file };
}

function bad(what: string, inputNames: readonly string[]): InputError {
  return new InputError(
    "BadInputArgument",
    `${what}; give NAME=FILE once for each of the inputs ${list(inputNames)}`,
  );
}

/** Reads the array of one input: of a `.npz` file the one called NAME, or its only one. */
export async function readInput(name: string, file: string): Promise<HostArray> {
  const read = await readArrays(file);
  if (read.kind === "single") return read.array;
  const names = [...read.arrays.keys()];
  const open =
    read.arrays.get(name) ?? (names.length === 1 ? read.arrays.get(names[0] ?? "") : undefined);
  if (open !== undefined) return open();
  throw new InputError(
    "BadInputArgument",
    `${file} has no array "${name}", only ${list(names)}; save it under the input's name`,
    { name: file },
  );
}
