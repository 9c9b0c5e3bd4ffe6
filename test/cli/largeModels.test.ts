/** The way of models whose weights are in files of their own, through modules that stay in theirs. */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatCalibration } from "../../src/analysis/calibrationFile.js";
import { encodeNpy } from "../../src/cli/files/npy.js";
import { compile } from "../../src/compiler/compile.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { instantiate } from "../../src/vm/instance.js";
import { apartModel } from "../support/apartModel.js";
import { aivm } from "./runProgram.js";

const WIDTH = 320;
const { model, calibration, externalData, externalBytes } = apartModel(2, WIDTH);

let root: string;
const at = (name: string): string => join(root, name);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "aivm-large-"));
  await writeFile(at("model.onnx"), model);
  const half = externalBytes / 2;
  for (const offset of [0, half])
    await writeFile(at("weights.bin"), externalData("", offset, half), { flag: "a" });
  await writeFile(at("c.json"), formatCalibration(calibration));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const whole = compile(model, { calibration, externalData });

test("compile writes what it would hold, and leaves nothing else", async () => {
  const done = await aivm(
    "compile",
    at("model.onnx"),
    "--calibration",
    at("c.json"),
    "-o",
    at("m.aivm"),
  );
  expect(done).toMatchObject({ code: 0, err: "" });
  expect((await readFile(at("m.aivm"))).equals(whole.bytes)).toBe(true);
  expect((await readdir(root)).sort()).toEqual(["c.json", "m.aivm", "model.onnx", "weights.bin"]);
});

test("inspect and run take the parameters from the file", async () => {
  const inspected = JSON.parse((await aivm("inspect", at("m.aivm"), "--json")).out) as object;
  expect(inspected).toMatchObject({
    bytes: whole.bytes.length,
    parameters: { count: whole.report.parameters, absent: 0 },
  });
  const x = Float32Array.from({ length: WIDTH }, (_, i) => ((i * 37) % 101) / 50 - 1);
  const array = { elementType: "float32", dims: [1, WIDTH], data: x } as const;
  await writeFile(at("x.npy"), encodeNpy(array));
  const run = await aivm("run", at("m.aivm"), "--input", `x=${at("x.npy")}`, "--json");
  expect(run).toMatchObject({ code: 0, err: "" });
  const instance = instantiate(whole.bytes, { backend: createReferenceBackend() });
  const { receipt } = instance.runSync({ inputs: { x: { reals: x, dims: [1, WIDTH] } } });
  expect(JSON.parse(run.out)).toMatchObject({
    receipt: { outputHash: receipt.outputHash, moduleId: receipt.moduleId },
  });
});

test("run refuses a module whose parameters were changed", async () => {
  const bytes = whole.bytes.slice();
  const last = bytes.length - 2000;
  bytes[last] = bytes[last]! ^ 1;
  await writeFile(at("bad.aivm"), bytes);
  const { code, err } = await aivm("run", at("bad.aivm"), "--input", `x=${at("x.npy")}`);
  expect(code).toBe(1);
  expect(err).toMatch(/bad\.aivm.*parameter \d+ has the root/);
});
