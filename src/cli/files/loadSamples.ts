import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { HostArray } from "../../core/hostArray.js";
import { fileError } from "./binaryFile.js";
import { ARRAY_EXTENSIONS, isArrayFile, readArrays } from "./readArrays.js";

/** Where one sample lies: a file, or the `input_N.pb` files of one folder in order of N. */
export interface SampleSource {
  /** The file or folder, for messages. */
  readonly path: string;
  /** One file, or a file for each input in the model's order. */
  readonly files: readonly string[];
  readonly positional: boolean;
}

const POSITIONAL = /^input_(\d{1,6})\.pb$/;

/**
 * Finds the samples at each path, in the order of the paths:
 * - a `.npz` file is a sample, its arrays named after the model's inputs; a `.npy` or `.pb` file is
 *   one for a model with a single input;
 * - a folder with `input_0.pb`, `input_1.pb` … (as ONNX backend tests have) is one sample;
 * - any other folder holds many: each such file, and each sub-folder of that form, by name.
 *
 * @throws {InputError} `NoSuchFile`, `UnknownFileType`, `NoSamples`, `BadSample`
 * @throws {HostError} `FileRead`
 */
export async function findSamples(paths: readonly string[]): Promise<SampleSource[]> {
  const sources: SampleSource[] = [];
  for (const path of paths) {
    const found = (await isFolder(path)) ? await samplesOfFolder(path) : [fileSource(path)];
    if (found.length === 0) {
      throw new InputError(
        "NoSamples",
        `${path} has no samples; a folder of samples has ${ARRAY_EXTENSIONS.join(", ")} files, ` +
          `or sub-folders with input_0.pb, input_1.pb …`,
        { name: path },
      );
    }
    for (const source of found) sources.push(source);
  }
  return sources;
}

/**
 * Reads one sample: the model's inputs by name.
 *
 * @param inputNames the model's inputs in its order
 * @throws {InputError} `BadSample` when the arrays are not the model's inputs, or what the format's
 * reader throws
 */
export async function loadSample(
  source: SampleSource,
  inputNames: readonly string[],
): Promise<Map<string, HostArray>> {
  const { path, files, positional } = source;
  if (positional) {
    if (files.length !== inputNames.length) {
      throw badSample(path, `has ${String(files.length)} input_N.pb files`, inputNames);
    }
    const sample = new Map<string, HostArray>();
    for (const [index, name] of inputNames.entries()) {
      const read = await readArrays(files[index] ?? path);
      if (read.kind === "single") sample.set(name, read.array);
    }
    return sample;
  }
  const read = await readArrays(path);
  if (read.kind === "single") {
    const [only, ...others] = inputNames;
    if (only === undefined || others.length > 0) {
      throw badSample(path, "holds one array without a name", inputNames);
    }
    return new Map([[only, read.array]]);
  }
  const { arrays } = read;
  // Names first: nothing is unpacked for a file that does not fit.
  if (arrays.size !== inputNames.length || !inputNames.every((name) => arrays.has(name))) {
    throw badSample(path, `holds the arrays ${list([...arrays.keys()])}`, inputNames);
  }
  const sample = new Map<string, HostArray>();
  for (const name of inputNames) {
    const array = arrays.get(name)?.();
    if (array !== undefined) sample.set(name, array);
  }
  return sample;
}

/** `loadSample` of each of `findSamples`, one at a time. */
export async function* loadSamples(
  paths: readonly string[],
  inputNames: readonly string[],
): AsyncGenerator<Map<string, HostArray>, void, undefined> {
  for (const source of await findSamples(paths)) yield await loadSample(source, inputNames);
}

/** At most a dozen quoted names. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, 12).map((name) => JSON.stringify(name.slice(0, 80)));
  if (names.length > shown.length) shown.push(`and ${String(names.length - shown.length)} more`);
  return shown.length === 0 ? "(none)" : shown.join(", ");
}

function badSample(path: string, what: string, inputNames: readonly string[]): InputError {
  const inputs = inputNames.length === 1 ? "input is" : "inputs are";
  const advice =
    inputNames.length === 1
      ? "save the array alone as .npy, or under that name as .npz"
      : "save one array for each, under these names, as .npz";
  return new InputError(
    "BadSample",
    `${path} ${what}; the model's ${inputs} ${list(inputNames)}: ${advice}`,
    { name: path },
  );
}

function fileSource(path: string): SampleSource {
  return { path, files: [path], positional: false };
}

async function samplesOfFolder(folder: string): Promise<SampleSource[]> {
  const names = await folderNames(folder);
  const own = positionalSource(folder, names);
  if (own !== undefined) return [own];
  const sources: SampleSource[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (name.startsWith(".")) continue;
    if (await isFolder(path)) {
      const source = positionalSource(path, await folderNames(path));
      if (source !== undefined) sources.push(source);
    } else if (isArrayFile(name)) sources.push(fileSource(path));
  }
  return sources;
}

/** The sample that a folder's `input_N.pb` files are, if it has any. */
function positionalSource(folder: string, names: readonly string[]): SampleSource | undefined {
  const numbers = names.flatMap((name) => {
    const digits = POSITIONAL.exec(name)?.[1];
    return digits === undefined ? [] : [{ name, index: Number(digits) }];
  });
  if (numbers.length === 0) return undefined;
  numbers.sort((a, b) => a.index - b.index);
  for (const [expected, { index }] of numbers.entries()) {
    if (index === expected) continue;
    throw new InputError(
      "BadSample",
      `${folder} lacks input_${String(expected)}.pb or has two files of one number; ` +
        `number the files from 0 without gaps`,
      { name: folder },
    );
  }
  return { path: folder, files: numbers.map(({ name }) => join(folder, name)), positional: true };
}

/** Names in a folder, sorted by code unit: the same order on every system. */
async function folderNames(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    throw fileError(error, folder);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fileError(error, path);
  }
}
