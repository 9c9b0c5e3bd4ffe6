import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy } from "../../src/cli/files/npy.js";
import { ModelBuilder, tensor } from "../../src/compiler/onnx/modelBuilder.js";
import { decodeModel, encodeModel } from "../../src/compiler/onnx/wire.js";
import type { HostArray } from "../../src/core/hostArray.js";
import { decodeModule } from "../../src/module/decode.js";
import { encodeModule } from "../../src/module/encode.js";
import { moduleId, tensorHash, tensorsHash } from "../../src/module/hash.js";
import { toHex } from "../../src/module/hex.js";
import { receiptHash } from "../../src/vm/receipt.js";
import type { Receipt } from "../../src/vm/receipt.js";
import { TINY } from "../support/tinyModule.js";
import { aivm } from "./runProgram.js";

let root = "";
const at = (...names: string[]): string => join(root, ...names);
const floats = (dims: number[], ...values: number[]): HostArray => ({
  elementType: "float32",
  dims,
  data: Float32Array.from(values),
});
const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

/** y = relu(x · w + b) for rows of 3. */
const MODEL = new ModelBuilder()
  .input("x", "float32", ["batch", 3])
  .constant("w", tensor("float32", [3, 2], [1, -1, 0.5, 2, -0.25, 0.75]))
  .constant("b", tensor("float32", [2], [0.125, -0.5]))
  .node("Gemm", ["x", "w", "b"], ["z"])
  .node("Relu", ["z"], ["y"])
  .output("y", "float32", ["batch", 2])
  .encode();

/** y = x reshaped as `target` says. */
const SHAPED = new ModelBuilder()
  .input("x", "float32", ["n", 6])
  .input("target", "int64", [2])
  .node("Reshape", ["x", "target"], ["y"])
  .output("y", "float32")
  .encode();

/** What is reduced is known when running only. */
const REDUCED = new ModelBuilder()
  .input("x", "float32", ["n", 6])
  .input("axes", "int64", [1])
  .node("ReduceSum", ["x", "axes"], ["y"])
  .output("y", "float32")
  .encode();

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "aivm-cli-"));
  await writeFile(at("model.onnx"), MODEL);
  // A module of integers: y = x + [1, −2, 3], x in 1/128.
  await writeFile(at("tiny.aivm"), encodeModule(TINY));
  await mkdir(at("samples"));
  for (const [i, scale] of [1, -0.5, 0.75, 0.25].entries()) {
    const x = floats([1, 3], scale, -scale, 0.5);
    await writeFile(at("samples", `${String(i)}.npy`), encodeNpy(x));
  }
  await writeFile(at("x.npy"), encodeNpy(floats([1, 3], 0.5, -0.25, 0.0625)));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

describe("aivm", () => {
  it("shows help with examples for every command, and its version", async () => {
    const { code, out } = await aivm("--help");
    expect(code).toBe(0);
    for (const name of "calibrate compile run compare inspect disassemble assemble".split(" ")) {
      expect(out).toContain(`  ${name} `);
      const help = await aivm(name, "--help");
      expect(help.code).toBe(0);
      expect(help.out).toMatch(/Examples:\n {2}\$ aivm /);
    }
    expect(await aivm("--version")).toMatchObject({ code: 0, out: "1.2.3\n" });
  });

  it("exits with 2 for wrong usage, and says what is wrong", async () => {
    const wrong: [string[], RegExp][] = [
      [[], /Usage: aivm/],
      [["dance"], /unknown command 'dance'/],
      [["run"], /missing required argument 'MODULE.aivm'/],
      [["run", at("tiny.aivm"), "--fast"], /unknown option '--fast'/],
      [["run", at("tiny.aivm"), "--backend", "gpu"], /simd, tfjs, reference/],
      [["run", at("tiny.aivm"), "--threads", "0"], /from 1 to 99/],
      [["run", at("tiny.aivm"), "--gas", "-1"], /0 to 2\^64/],
      [["run", at("tiny.aivm"), "--gas", "18446744073709551616"], /0 to 2\^64/],
      [["run", at("tiny.aivm"), "--seed", "ff"], /64 hexadecimal digits/],
      [["run", at("tiny.aivm"), "--input", "z=f.npy"], /names no input.*"x"/],
      [["run", at("tiny.aivm")], /no file is given for "x"/],
      [["compile", at("model.onnx"), "--precision", "fx7"], /fx16, fx16w8, fx8, fx32/],
      [["compile", at("model.onnx"), "--dim", "batch"], /NAME=N/],
      [["compile", at("model.onnx"), "--dim", "batch=0"], /NAME=N/],
      [
        ["compile", at("model.onnx"), "--samples", "a", "--calibration", "b"],
        /cannot be used with/,
      ],
      [["compile", at("model.onnx"), "--precision", "auto"], /give --samples PATH/],
      [["compile", at("model.onnx"), "--target-sqnr", "30"], /is for --precision auto/],
      [
        ["compile", at("model.onnx"), "--precision", "auto", "--target-sqnr", "0"],
        /above 0 and up to 200/,
      ],
      [
        ["compile", at("model.onnx"), "--precision", "fx8", "--plan", "p.json"],
        /cannot be used with --plan/,
      ],
      [["calibrate", at("model.onnx")], /--samples.*\nTry `aivm calibrate --help`/],
      [["compile", "--samples", "a", at("model.onnx")], /'MODEL\.onnx'(.*\n)+.*go before --input/],
    ];
    for (const [args, says] of wrong) {
      const { code, out, err } = await aivm(...args);
      expect([args, code, out]).toEqual([args, 2, ""]);
      expect(err).toMatch(says);
    }
  });

  it("exits with 1 for bad files, in one line", async () => {
    await writeFile(at("noise.bin"), "this is no module");
    await writeFile(at("noise.npy"), "this is no array");
    await writeFile(at("noise.aivmt"), "aivm isa=1 gas=1\nfunction nonsense\n");
    await writeFile(at("short.aivmt"), "aivm isa=1 gas=1\nparameter i8 [2]\n  values 1\n");
    await writeFile(at("nan.npy"), encodeNpy(floats([1, 3], 0, NaN, 0)));
    await writeFile(at("infinite.npy"), encodeNpy(floats([1, 3], 0, 0, -Infinity)));
    await writeFile(at("wide.npy"), encodeNpy(floats([1, 4], 0, 0, 0, 0)));
    const sampled = (file: string) => ["compile", at("model.onnx"), "--samples", at(file)];
    const bad: [string[], RegExp][] = [
      [sampled("nan.npy"), /nan\.npy: element 1 of input "x" is NaN/],
      [sampled("infinite.npy"), /infinite\.npy: element 2 of input "x" is -Infinity/],
      [sampled("wide.npy"), /wide\.npy: input "x" has shape \[1,4\]/],
      [[...sampled("x.npy"), "-o", at("absent", "m")], /absent.m cannot be written: .*make it/],
      [[...sampled("x.npy"), "-o", root], /cannot be written: it is a folder/],
      [["run", at("absent.aivm")], /absent\.aivm does not exist/],
      [["run", at("noise.bin")], /noise\.bin: .*`aivm compile`/],
      [["inspect", at("noise.bin")], /noise\.bin: /],
      [["inspect", at("tiny.aivm"), "--dim", "M=2"], /"M"; the module has "N"/],
      [["disassemble", at("noise.bin")], /noise\.bin: /],
      [["assemble", at("noise.aivmt")], /noise\.aivmt: line 2/],
      [["assemble", at("short.aivmt")], /short\.aivmt: parameter 0 has 1 bytes.* takes 2/],
      [["assemble", at("tiny.aivm")], /./],
      [["compile", at("noise.bin")], /noise\.bin: .*ONNX/],
      [["compile", at("tiny.aivm")], /ONNX.*module/],
      [["compile", at("model.onnx"), "--dim", "width=3"], /"width".*batch/],
      [["compile", at("model.onnx"), "--calibration", at("noise.npy")], /no calibration file/],
      [["compile", at("model.onnx"), "--samples", at("noise.npy")], /noise\.npy cannot be read/],
      [["run", at("tiny.aivm"), "--input", `x=${at("noise.npy")}`], /noise\.npy cannot be read/],
      [["run", at("tiny.aivm"), "--input", `x=${at("x.npy")}`, "--entry", "other"], /"other"/],
      [["run", root], /cannot be read/],
    ];
    for (const [args, says] of bad) {
      const { code, out, err } = await aivm(...args);
      expect([args, code, out]).toEqual([args, 1, ""]);
      expect(err).toMatch(/^error: [^\n]+\n$/);
      expect(err).toMatch(says);
      expect(err).not.toContain("bug");
    }
  });
});

describe("--pin", () => {
  it("gives inputs their value when compiling", async () => {
    await writeFile(at("shaped.onnx"), SHAPED);
    const x = floats([2, 6], ...Array.from({ length: 12 }, (_, i) => i - 6));
    await writeFile(at("six.npy"), encodeNpy(x));
    const sample = ["--samples", at("six.npy")];
    const shaped = at("shaped.onnx");
    await writeFile(at("reduced.onnx"), REDUCED);
    const unpinned = await aivm("compile", at("reduced.onnx"), ...sample);
    expect(unpinned.code).toBe(1);
    expect(unpinned.err).toMatch(/ReduceSum .*--pin NAME=VALUE.*"y"/s);
    for (const [pin, says] of [
      ["target=3,x", /3,x is not a .npy/],
      ["target=1.5,2", /must be int64/],
      ["target=3", /"target" has shape \[2\], its pin \[1\]/],
      ["where=3", /"where=3" names no input.*"x", "target"/],
    ] as const) {
      const { code, err } = await aivm("compile", shaped, ...sample, "--pin", pin);
      expect([pin, code]).not.toEqual([pin, 0]);
      expect(err).toMatch(says);
    }
    const pin = ["--pin", "target=3,-1"];
    const module = at("shaped.aivm");
    const compiled = await aivm("compile", shaped, "-o", module, ...sample, ...pin);
    expect([compiled.code, compiled.err]).toEqual([0, ""]);
    const run = await aivm("run", module, "--input", `x=${at("six.npy")}`, "--output-dir", root);
    expect(run.code).toBe(0);
    const y = decodeNpy(await readFile(at("y.npy")), "y.npy");
    expect(y.dims).toEqual([3, 4]);
    Array.from(y.data, Number).forEach((v, i) => expect(v).toBeCloseTo(i - 6, 3));
    const compared = await aivm("compare", shaped, module, ...sample, ...pin, "--json");
    expect([compared.code, compared.err]).toEqual([0, ""]);
  });
});

describe("aivm run", () => {
  const run = (...args: string[]) =>
    aivm("run", at("tiny.aivm"), "--input", `x=${at("x.npy")}`, ...args);

  it("computes, prints hash and gas, and writes outputs and the receipt", async () => {
    const { code, out, err } = await run(
      ...[
        "--output-dir",
        at("out"),
        "--receipt",
        at("receipt.json"),
        "--seed",
        "0x" + "Ab".repeat(32),
      ],
    );
    expect(err).toBe("");
    expect(code).toBe(0);
    // 0.5, −0.25 and 0.0625 are 64, −32 and 8 of 1/128; then + [1, −2, 3]
    const bytes = Uint8Array.of(65, 256 - 34, 11);
    const y = decodeNpy(await readFile(at("out", "y.npy")), "y.npy");
    expect(y).toEqual({ elementType: "int8", dims: [1, 3], data: new Int8Array(bytes) });
    const receipt = (await readJson(at("receipt.json"))) as Receipt;
    expect(receipt).toEqual({
      moduleId: toHex(moduleId(TINY)),
      entry: "main",
      part: "inference",
      seed: "ab".repeat(32),
      limits: expect.objectContaining({ gas: expect.stringMatching(/^\d+$/) }),
      inputHash: toHex(
        tensorsHash([tensorHash({ dtype: "i8", shape: [1, 3] }, Uint8Array.of(64, 256 - 32, 8))]),
      ),
      status: "finished",
      outputHash: toHex(tensorsHash([tensorHash({ dtype: "i8", shape: [1, 3] }, bytes)])),
      gasUsed: expect.stringMatching(/^\d+$/),
      isaVersion: 1,
      gasVersion: 1,
    });
    expect(receiptHash(receipt)).toHaveLength(32);
    expect(out).toContain(receipt.outputHash);
    expect(out).toContain(receipt.moduleId);
  });

  it("takes integer files as integers, and says so where reals are possible", async () => {
    const x: HostArray = {
      elementType: "int64",
      dims: [1, 3],
      data: BigInt64Array.of(64n, -32n, 8n),
    };
    await writeFile(at("integers.npz"), zipSync({ "x.npy": encodeNpy(x) }));
    const reals = JSON.parse((await run("--json")).out) as { receipt: Receipt };
    const { out, err } = await aivm(
      "run",
      at("tiny.aivm"),
      "--input",
      `x=${at("integers.npz")}`,
      "--json",
    );
    const integers = JSON.parse(out) as { receipt: Receipt };
    expect(integers.receipt).toEqual(reals.receipt);
    expect(err).toMatch(/^warning: .*"x" holds int64, taken as integers/);
  });

  it("answers alike on every engine", async () => {
    const receipts: Receipt[] = [];
    for (const backend of ["simd", "tfjs", "reference"]) {
      const { code, out } = await run("--backend", backend, "--json");
      expect(code).toBe(0);
      const result = JSON.parse(out) as { receipt: Receipt; backend: string };
      expect(result.backend).toBe(backend);
      receipts.push(result.receipt);
    }
    expect(receipts[1]).toEqual(receipts[0]);
    expect(receipts[2]).toEqual(receipts[0]);
  });

  it("answers alike on several threads, and says how many there were", async () => {
    const one = JSON.parse((await run("--json")).out) as { receipt: Receipt; threads: number };
    const { out, err } = await run("--threads", "2", "--json");
    const two = JSON.parse(out) as { receipt: Receipt; threads: number };
    expect([one.threads, two.threads, err]).toEqual([1, 2, ""]);
    expect(two.receipt).toEqual(one.receipt);
    const none = await run("--threads", "2", "--backend", "reference");
    expect(none.err).toMatch(/^warning: the reference engine works on 1 thread here, not 2/);
  });

  it("exits with 1 when the run traps, its receipt written", async () => {
    const { code, err } = await run(
      "--gas",
      "1",
      "--receipt",
      at("trapped.json"),
      "--output-dir",
      at("none"),
    );
    expect(code).toBe(1);
    expect(err).toMatch(/^error: the run trapped, OutOfGas: [^\n]+\n$/);
    const receipt = (await readJson(at("trapped.json"))) as Receipt;
    expect(receipt).toMatchObject({
      status: { trap: "OutOfGas", function: 0 },
      limits: { gas: "1" },
    });
    expect(receipt).not.toHaveProperty("outputHash");
    await expect(readFile(at("none", "y.npy"))).rejects.toThrow();
  });

  it("makes the folder of outputs, or says at once that it cannot", async () => {
    const deep = join(at("new"), "deep");
    expect(await run("--output-dir", deep)).toMatchObject({ code: 0, err: "" });
    expect(await readFile(join(deep, "y.npy"))).not.toHaveLength(0);
    const inFile = await run("--output-dir", at("x.npy"));
    expect(inFile.code).toBe(1);
    expect(inFile.err).toMatch(/x\.npy.* cannot be written: a part of the path is a file/);
    // Folders in /proc say that the one above them is missing; other systems have no such place.
    if (process.platform !== "linux") return;
    const nowhere = await run("--output-dir", "/proc/aivm/outputs");
    expect(nowhere.code).toBe(1);
    expect(nowhere.err).toBe(
      "error: /proc/aivm/outputs cannot be made: nothing can be written at /proc; name another folder\n",
    );
  });

  it("warns of reals that were clipped", async () => {
    await writeFile(at("large.npy"), encodeNpy(floats([1, 3], 5, -5, 0)));
    const { code, err } = await aivm("run", at("tiny.aivm"), "--input", `x=${at("large.npy")}`);
    expect(code).toBe(0);
    expect(err).toMatch(/^warning: 2 values of input "x" .* clipped\n$/);
  });
});

describe("aivm compile, run and compare", () => {
  it("goes from a model to outputs near the float ones", async () => {
    const compiled = await aivm(
      ...[
        "compile",
        at("model.onnx"),
        "--samples",
        at("samples"),
        "--report",
        at("report.json"),
        "--json",
      ],
    );
    expect(compiled).toMatchObject({ code: 0, err: "" });
    const module = decodeModule(new Uint8Array(await readFile(at("model.aivm"))));
    const summary = JSON.parse(compiled.out) as Record<string, unknown>;
    expect(summary).toMatchObject({
      output: at("model.aivm"),
      moduleId: toHex(moduleId(module)),
      precision: "fx16",
      samples: 4,
      madeUpSamples: false,
    });
    const report = (await readJson(at("report.json"))) as { tensors: { name: string }[] };
    expect(Object.keys(report)).toEqual(
      expect.arrayContaining(["moduleBytes", "clippedValues", "instructions", "gas", "tensors"]),
    );
    expect(report.tensors.map(({ name }) => name)).toContain("x");
    expect(report.tensors[0]).toMatchObject({
      name: expect.any(String),
      dtype: expect.any(String),
      scale: [expect.any(Number), expect.any(Number)],
      clipped: expect.any(Number),
    });

    const ran = await aivm(
      ...["run", at("model.aivm"), "--input", `x=${at("x.npy")}`, "--output-dir", at("real")],
    );
    expect(ran.code).toBe(0);
    const y = decodeNpy(await readFile(at("real", "y.npy")), "y.npy");
    expect(y).toMatchObject({ elementType: "float32", dims: [1, 2] });
    // 0.5 − 0.125 − 0.015625 + 0.125 and −0.5 − 0.5 + 0.046875 − 0.5 < 0
    expect(y.data[0]).toBeCloseTo(0.484375, 3);
    expect(y.data[1]).toBe(0);

    const raw = await aivm(
      ...[
        "run",
        at("model.aivm"),
        "--input",
        `x=${at("x.npy")}`,
        "--output-dir",
        at("raw"),
        "--raw",
      ],
    );
    expect(raw.code).toBe(0);
    const integers = decodeNpy(await readFile(at("raw", "y.npy")), "y.npy");
    expect(integers.elementType).toMatch(/^int/);
    const scale = module.configuration.entries[0]?.outputs[0]?.scale;
    const step = (scale?.mantissa ?? 0) * 2 ** (scale?.exponent ?? 0);
    expect(Number(integers.data[0]) * step).toBeCloseTo(Number(y.data[0]), 6);

    const args = ["compare", at("model.onnx"), at("model.aivm"), "--samples", at("samples")];
    const compared = await aivm(...args, "--json");
    expect(compared.code).toBe(0);
    const { outputs, samples } = JSON.parse(compared.out) as {
      samples: number;
      outputs: Record<string, Record<string, number>>;
    };
    expect(samples).toBe(4);
    expect(outputs["y"]).toMatchObject({
      maxAbsError: expect.any(Number),
      cosine: expect.closeTo(1, 4),
      argmaxAgreement: 1,
      worst: expect.objectContaining({ sqnrDb: expect.any(Number) }),
    });
    expect(outputs["y"]?.["sqnrDb"]).toBeGreaterThan(60);
    const table = await aivm(...args);
    expect(table.out).toMatch(/^output +SQNR.*\ny .*\nover 4 samples\n$/);
    expect(table.err).toBe("");
    const { graph, ...rest } = decodeModel(MODEL);
    await writeFile(at("other.onnx"), encodeModel({ ...rest, graph: { ...graph, name: "other" } }));
    const other = await aivm("compare", at("other.onnx"), ...args.slice(2));
    expect([other.code, other.err]).toEqual([
      0,
      expect.stringMatching(/^warning: .*another model/),
    ]);
  });

  it("compiles from a calibration file to the same bytes", async () => {
    const calibrated = await aivm(
      "calibrate",
      at("model.onnx"),
      "--samples",
      at("samples"),
      "-o",
      at("c.json"),
    );
    expect(calibrated).toMatchObject({ code: 0, err: "" });
    for (const how of [
      ["--calibration", at("c.json"), "-o", at("file.aivm")],
      ["--samples", at("samples"), "-o", at("direct.aivm")],
    ]) {
      expect((await aivm("compile", at("model.onnx"), ...how)).code).toBe(0);
    }
    expect(await readFile(at("file.aivm"))).toEqual(await readFile(at("direct.aivm")));
    const narrow = await aivm(
      ...["compile", at("model.onnx"), "--calibration", at("c.json"), "--precision", "fx8"],
      ...["-o", at("fx8.aivm")],
    );
    expect(narrow.code).toBe(0);
    expect(await readFile(at("fx8.aivm"))).not.toEqual(await readFile(at("file.aivm")));
  });

  it("chooses bits by measurement, writes the plan, and compiles from it to the same bytes", async () => {
    const chosen = await aivm(
      ...["compile", at("model.onnx"), "--precision", "auto", "--target-sqnr", "25"],
      ...["-o", at("auto.aivm"), "--json", "--samples", at("samples")],
    );
    expect(chosen).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(chosen.out)).toMatchObject({
      precision: "fx16",
      plan: {
        file: at("model.plan.json"),
        eightBitWeights: 1,
        roundedWeights: 1,
        chosen: { targetSqnrDb: 25, reached: true },
      },
    });
    const plan = (await readJson(at("model.plan.json"))) as { weightBits: object };
    expect(Object.values(plan.weightBits)).toEqual([8]);
    const read = await aivm(
      ...["compile", at("model.onnx"), "--plan", at("model.plan.json"), "-o", at("planned.aivm")],
      ...["--samples", at("samples")],
    );
    expect(read).toMatchObject({ code: 0, err: "" });
    expect(read.out).toMatch(/plan +.*model\.plan\.json: 8 bits for 1 of 1 weight\n/);
    expect(await readFile(at("planned.aivm"))).toEqual(await readFile(at("auto.aivm")));
  });

  it("warns when not even 16 bits reach the target, and compiles with these", async () => {
    const { code, out, err } = await aivm(
      ...["compile", at("model.onnx"), "--precision", "auto", "--target-sqnr", "190"],
      ...["-o", at("most.aivm"), "--plan", at("most.json"), "--samples", at("samples")],
    );
    expect(code).toBe(0);
    expect(err).toMatch(
      /^warning: the target of 190 dB is not reached: the worst output has \d+\.\d dB/,
    );
    expect(out).toMatch(/most\.json: 8 bits for 0 of 1 weight/);
    expect(await readJson(at("most.json"))).toMatchObject({ precision: "fx16", weightBits: {} });
  });

  it("refuses plans that are damaged or another model's", async () => {
    await writeFile(at("damaged.json"), "{}");
    const plan = { version: 1, model: "0".repeat(64), precision: "fx16", weightBits: {} };
    await writeFile(at("foreign.json"), JSON.stringify(plan));
    for (const [file, says] of [
      ["damaged.json", /damaged\.json is no plan file: it states no version; .*--precision auto/],
      ["foreign.json", /made for model 0{64}.*--precision auto/],
      ["absent.json", /absent\.json does not exist/],
    ] as const) {
      const ended = await aivm(
        ...["compile", at("model.onnx"), "--plan", at(file), "--samples", at("samples")],
      );
      expect(ended).toMatchObject({ code: 1, out: "" });
      expect(ended.err).toMatch(says);
    }
  });

  it("writes a report as a page or as JSON, with errors where there are samples", async () => {
    const compile = (...args: string[]) =>
      aivm("compile", at("model.onnx"), "-o", at("reported.aivm"), ...args);
    expect(
      (await aivm("calibrate", at("model.onnx"), "-o", at("r.json"), "--samples", at("samples")))
        .code,
    ).toBe(0);
    const page = (name: string) => readFile(at(name), "utf8");
    expect((await compile("--report", at("a.html"), "--samples", at("samples"))).code).toBe(0);
    expect((await compile("--report", at("b.html"), "--calibration", at("r.json"))).code).toBe(0);
    const both = ["--calibration", at("r.json"), "--samples", at("samples")];
    expect((await compile("--report", at("c.html"), ...both)).code).toBe(0);
    expect((await compile("--report", at("d.json"), "--samples", at("samples"))).code).toBe(0);
    expect(await page("a.html")).toMatch(/^<!doctype html>[^]*over 4 samples[^]*<\/html>\n$/);
    expect(await page("b.html")).toContain("Errors were not measured: give <code>--samples");
    expect(await page("c.html")).toBe(await page("a.html"));
    const { tensors } = (await readJson(at("d.json"))) as { tensors: { name: string }[] };
    expect(tensors.map(({ name }) => name)).toContain("x");
  });

  it("warns loudly when samples are made up, and says so in the calibration", async () => {
    const { code, err } = await aivm("compile", at("model.onnx"), "-o", at("made-up.aivm"));
    expect(code).toBe(0);
    expect(err).toMatch(/^warning: NO SAMPLES WERE GIVEN\..*--samples PATH/s);
  });

  it("lists unsupported operators before it looks at samples", async () => {
    const model = new ModelBuilder()
      .input("x", "float32", [1])
      .node("NoSuchOperator", ["x"], ["a"], {}, { name: "first" })
      .node("Unheard", ["a"], ["y"], {}, { name: "second" })
      .output("y", "float32", [1])
      .encode();
    await writeFile(at("strange.onnx"), model);
    for (const command of ["compile", "calibrate"]) {
      const { code, err } = await aivm(command, at("strange.onnx"), "--samples", at("absent"));
      expect(code).toBe(1);
      expect(err).toMatch(/NoSuchOperator: "first"/);
      expect(err).toMatch(/Unheard: "second"/);
    }
  });

  it("reads external data beside the model, and nowhere else", async () => {
    const proto = decodeModel(MODEL);
    const apart = (location: string): Uint8Array => {
      const initializer = (proto.graph?.initializer ?? []).map((t) => {
        if (t.name !== "b") return t;
        const rest = { ...t };
        delete rest.rawData;
        return { ...rest, dataLocation: 1, externalData: [{ key: "location", value: location }] };
      });
      return encodeModel({ ...proto, graph: { ...proto.graph, initializer } });
    };
    await mkdir(at("apart"));
    const data = new Uint8Array(Float32Array.of(0.125, -0.5).buffer);
    await writeFile(at("apart", "weights.bin"), data);
    await writeFile(at("outside.bin"), data);
    await symlink(at("outside.bin"), at("apart", "link.bin"));
    await writeFile(at("apart", "short.bin"), data.subarray(1));
    const compile = async (location: string) => {
      await writeFile(at("apart", "model.onnx"), apart(location));
      return aivm(
        "compile",
        at("apart", "model.onnx"),
        "--samples",
        at("samples"),
        "-o",
        at("apart.aivm"),
      );
    };
    expect(await compile("weights.bin")).toMatchObject({ code: 0, err: "" });
    for (const [location, says] of [
      ["link.bin", /outside the model's folder/],
      ["../outside.bin", /inside the model's folder/],
      ["short.bin", /ends at byte 7/],
      ["absent.bin", /cannot be read/],
    ] as const) {
      const { code, err } = await compile(location);
      expect(code).toBe(1);
      expect(err).toMatch(says);
    }
  });
});

describe("aivm inspect, disassemble and assemble", () => {
  it("shows what a module is", async () => {
    const { code, out } = await aivm("inspect", at("tiny.aivm"), "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      moduleId: toHex(moduleId(TINY)),
      isaVersion: 1,
      gasVersion: 1,
      valid: true,
      dimensions: [{ name: "N", maximum: 8 }],
      entries: [
        {
          name: "main",
          inputs: [{ name: "x", dtype: "i8", shape: ["N", 3], step: 1 / 128 }],
          outputs: [{ name: "y", dtype: "i8", shape: ["N", 3] }],
          gas: { kind: "unknown", reason: "depends on N" },
        },
      ],
      code: { functions: 1, instructions: 4 },
      parameters: { count: 1, bytes: 3, absent: 0 },
      provenance: { compiler: "by hand" },
    });
    const text = (await aivm("inspect", at("tiny.aivm"))).out;
    expect(text).toContain(toHex(moduleId(TINY)));
    expect(text).toMatch(/input +x i8\[N,3\]/);
  });

  it("shows no control characters out of a module's names", async () => {
    const [entry] = TINY.configuration.entries;
    const named = {
      ...TINY,
      configuration: {
        ...TINY.configuration,
        entries: [{ ...entry!, name: "a\u001b]0;b\u0007\nc" }],
      },
    };
    await writeFile(at("named.aivm"), encodeModule(named));
    const { out } = await aivm("inspect", at("named.aivm"));
    expect(out).toContain("entry a\\u001b]0;b\\u0007\\nc\n");
    const { err } = await aivm("run", at("named.aivm"), "--entry", "\u001b[2J");
    expect(err).toContain("\\u001b[2J");
    expect(err).not.toContain("\u001b");
  });

  it("estimates the gas that a run then takes", async () => {
    const ran = await aivm("run", at("tiny.aivm"), "--input", `x=${at("x.npy")}`, "--json");
    const { receipt } = JSON.parse(ran.out) as { receipt: Receipt };
    const { out } = await aivm("inspect", at("tiny.aivm"), "--dim", "N=1", "--json");
    const { entries } = JSON.parse(out) as { entries: { gas: unknown }[] };
    expect(entries[0]?.gas).toEqual({ kind: "exact", gas: receipt.gasUsed });
  });

  it("says so when code does not validate", async () => {
    const [f] = TINY.functions;
    const broken = { ...TINY, functions: [{ ...f!, body: [{ op: "end", imm: {} } as const] }] };
    await writeFile(at("invalid.aivm"), encodeModule(broken));
    const { code, out } = await aivm("inspect", at("invalid.aivm"), "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ valid: false, problem: expect.any(String) });
  });

  it("writes text that assembles to the same bytes", async () => {
    expect((await aivm("disassemble", at("tiny.aivm"), "-o", at("tiny.aivmt"))).code).toBe(0);
    const { out } = await aivm("disassemble", at("tiny.aivm"));
    expect(out).toBe(await readFile(at("tiny.aivmt"), "utf8"));
    const assembled = await aivm("assemble", at("tiny.aivmt"), "-o", at("again.aivm"));
    expect(assembled.code).toBe(0);
    expect(assembled.out).toContain(toHex(moduleId(TINY)));
    expect(await readFile(at("again.aivm"))).toEqual(await readFile(at("tiny.aivm")));
  });
});
