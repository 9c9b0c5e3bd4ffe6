import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadInputs } from "../../src/cli/files/loadInputs.js";
import { findSamples, loadSamples } from "../../src/cli/files/loadSamples.js";
import { decodeNpy, encodeNpy } from "../../src/cli/files/npy.js";
import { decodeTensorProto } from "../../src/cli/files/tensorProto.js";
import { outputFileNames, writeOutputs } from "../../src/cli/files/writeOutputs.js";
import type { HostArray } from "../../src/core/hostArray.js";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "aivm-samples-"));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

const bytesOf = (value: number): HostArray => ({
  elementType: "uint8",
  dims: [1],
  data: Uint8Array.of(value),
});
const npy = (value: number): Uint8Array => encodeNpy(bytesOf(value));
const npz = (values: Record<string, number>): Uint8Array =>
  zipSync(Object.fromEntries(Object.entries(values).map(([name, v]) => [`${name}.npy`, npy(v)])));
/** A TensorProto by hand: dims (field 1) [1], data_type (2) 2 = uint8, raw_data (9) one byte. */
const pb = (value: number): Uint8Array => Uint8Array.of(0x08, 1, 0x10, 2, 0x4a, 1, value);

async function folder(name: string, files: Record<string, Uint8Array>): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) {
    await mkdir(join(path, file, ".."), { recursive: true });
    await writeFile(join(path, file), bytes);
  }
  return path;
}

/** Each sample as `{ input: value }`. */
async function values(paths: string[], inputs: string[]): Promise<Record<string, number>[]> {
  const result: Record<string, number>[] = [];
  for await (const sample of loadSamples(paths, inputs)) {
    result.push(Object.fromEntries([...sample].map(([name, { data }]) => [name, Number(data[0])])));
  }
  return result;
}

const fails = (promise: Promise<unknown>, code: string, says: RegExp): Promise<void> =>
  expect(promise).rejects.toThrow(
    expect.objectContaining({ name: "InputError", code, message: expect.stringMatching(says) }),
  );

describe("loadSamples", () => {
  it("takes a lone .npy or .pb as the model's only input", async () => {
    const path = await folder("lone", { "a.npy": npy(1), "b.pb": pb(2), "c.NPY": npy(3) });
    const files = ["a.npy", "b.pb", "c.NPY"].map((name) => join(path, name));
    expect(await values(files, ["x"])).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }]);
    await fails(
      values(files, ["x", "y"]),
      "BadSample",
      /a\.npy holds one array .* "x", "y".*\.npz/,
    );
  });

  it("takes .npz arrays by name, in the model's order", async () => {
    const path = join(await folder("named", { "a.npz": npz({ y: 2, x: 1 }) }), "a.npz");
    expect(await values([path], ["x", "y"])).toEqual([{ x: 1, y: 2 }]);
    await fails(
      values([path], ["x"]),
      "BadSample",
      /holds the arrays "y", "x"; the model's input is "x"/,
    );
    await fails(values([path], ["x", "z"]), "BadSample", /inputs are "x", "z"/);
  });

  it("takes a folder of input_N.pb as one sample, in numeric order", async () => {
    const inputs = Array.from({ length: 11 }, (_, i) => `x${String(i)}`);
    const files = Object.fromEntries(inputs.map((_, i) => [`input_${String(i)}.pb`, pb(i)]));
    const path = await folder("positional", { ...files, "output_0.pb": pb(99) });
    const [sample, ...rest] = await values([path], inputs);
    expect(rest).toEqual([]);
    expect(sample).toEqual(Object.fromEntries(inputs.map((name, i) => [name, i])));
    await fails(
      values([path], ["x"]),
      "BadSample",
      /has 11 input_N\.pb files; the model's input is "x"/,
    );
  });

  it("takes a folder of files as many samples, sorted by name", async () => {
    const path = await folder("many", {
      "b.npy": npy(2),
      "a.npz": npz({ x: 1 }),
      "c.pb": pb(3),
      "README.md": Uint8Array.of(35),
      ".hidden.npy": npy(9),
    });
    expect(await values([path], ["x"])).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }]);
  });

  it("takes sub-folders of input_N.pb as a sample each, and ignores others", async () => {
    const path = await folder("sets", {
      "model.onnx": Uint8Array.of(0),
      "test_data_set_1/input_0.pb": pb(2),
      "test_data_set_0/input_0.pb": pb(1),
      "test_data_set_0/output_0.pb": pb(7),
      "other/notes.txt": Uint8Array.of(0),
    });
    expect(await values([path], ["x"])).toEqual([{ x: 1 }, { x: 2 }]);
    expect(await findSamples([path])).toHaveLength(2);
  });

  it("says what is wrong with a path", async () => {
    const empty = await folder("empty", { "notes.txt": Uint8Array.of(0) });
    await fails(values([empty], ["x"]), "NoSamples", /empty has no samples.*input_0\.pb/);
    await fails(values([join(root, "absent")], ["x"]), "NoSuchFile", /absent does not exist/);
    await fails(values([join(empty, "notes.txt")], ["x"]), "UnknownFileType", /\.npy, \.npz, \.pb/);
    const gap = await folder("gap", { "input_0.pb": pb(0), "input_2.pb": pb(0) });
    await fails(values([gap], ["x", "y"]), "BadSample", /lacks input_1\.pb/);
  });

  it("reads .pb bytes out of a pooled Buffer", () => {
    // dims [2], data_type 3 = int8, raw_data 127, 128
    const buffer = Buffer.from([0x08, 2, 0x10, 3, 0x4a, 2, 127, 128]);
    expect(decodeTensorProto(buffer, "x.pb")).toEqual({
      elementType: "int8",
      dims: [2],
      data: Int8Array.of(127, -128),
    });
  });

  it("wraps errors of a .pb file", async () => {
    const path = await folder("badpb", {
      "short.pb": Uint8Array.of(0x08, 2, 0x10, 2, 0x4a, 1, 5),
      "huge.pb": Uint8Array.of(0x08, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x10, 2, 0x4a, 1, 5),
      "cut.pb": Uint8Array.of(0x08, 1, 0x10, 2, 0x4a, 100, 5),
      "text.pb": Uint8Array.of(0x08, 1, 0x10, 8, 0x32, 1, 97),
    });
    for (const name of ["short.pb", "huge.pb", "cut.pb", "text.pb"]) {
      await fails(
        values([join(path, name)], ["x"]),
        "BadTensorProto",
        new RegExp(`${name} cannot be read`),
      );
    }
  });
});

describe("loadInputs", () => {
  it("reads NAME=FILE, names with = included", async () => {
    const path = await folder("inputs", { "a.npy": npy(1), "b.npz": npz({ "x=y": 2, z: 3 }) });
    const a = join(path, "a.npy");
    const b = join(path, "b.npz");
    const inputs = await loadInputs([`x=${a}`, `x=y=${b}`], ["x", "x=y"]);
    expect([...inputs].map(([name, { data }]) => [name, Number(data[0])])).toEqual([
      ["x", 1],
      ["x=y", 2],
    ]);
    await fails(loadInputs([`q=${b}`], ["q"]), "BadInputArgument", /no array "q", only "x=y", "z"/);
  });

  it("takes the only array of a .npz whatever its name", async () => {
    const path = join(await folder("only", { "a.npz": npz({ arr_0: 4 }) }), "a.npz");
    expect((await loadInputs([`x=${path}`], ["x"])).get("x")).toEqual(bytesOf(4));
  });

  it("refuses wrong, repeated and missing names, and lists the right ones", async () => {
    await fails(
      loadInputs(["w=f.npy"], ["x", "y"]),
      "BadInputArgument",
      /"w=f\.npy" names no input.*"x", "y"/,
    );
    await fails(
      loadInputs(["x=f.npy", "x=g.npy"], ["x"]),
      "BadInputArgument",
      /"x" is given twice/,
    );
    await fails(
      loadInputs(["x=f.npy"], ["x", "y"]),
      "BadInputArgument",
      /no file is given for "y"/,
    );
    await fails(loadInputs(["x="], ["x"]), "BadInputArgument", /names no file/);
    await fails(loadInputs(["x=absent.npy"], ["x"]), "NoSuchFile", /absent\.npy/);
  });
});

describe("writeOutputs", () => {
  it("writes each output where its name allows", async () => {
    const target = join(root, "out", "deep");
    const outputs = new Map([
      ["probabilities", bytesOf(1)],
      ["../../escape", bytesOf(2)],
    ]);
    const paths = await writeOutputs(target, outputs);
    expect(paths.get("probabilities")).toBe(join(target, "probabilities.npy"));
    expect(paths.get("../../escape")).toBe(join(target, "_.._.._escape.npy"));
    for (const [name, path] of paths) {
      expect(decodeNpy(await readFile(path), path)).toEqual(outputs.get(name));
    }
  });

  it("never gives two outputs one file, and keeps good names", () => {
    const names = ["a:b", "a_b", "A_B", "a/b", "", ".", "..", "con", "NUL.x", "é", "x".repeat(300)];
    const files = outputFileNames(names);
    expect(files.get("a_b")).toBe("a_b");
    expect(files.get("con")).toBe("_con");
    expect(files.get("NUL.x")).toBe("_NUL.x");
    const all = [...files.values()];
    expect(new Set(all.map((name) => name.toLowerCase())).size).toBe(names.length);
    for (const name of all) expect(name).toMatch(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,105}$/);
  });

  it("says which file the system refused", async () => {
    const path = join(await folder("blocked", { file: Uint8Array.of(0) }), "file");
    await expect(writeOutputs(path, new Map([["x", bytesOf(1)]]))).rejects.toThrow(
      expect.objectContaining({ name: "HostError", code: "FileWrite" }),
    );
  });
});
