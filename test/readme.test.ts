/** What README.md says is held to what is there: its code runs, its lists are those of the source. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { importSupported } from "../src/compiler/compile.js";
import { functions } from "../src/compiler/elementary.js";
import { PRECISIONS } from "../src/compiler/lower/profile.js";
import { CONTRIB_OPERATORS } from "../src/compiler/normalise/contribExpansions.js";
import { SUPPORTED } from "../src/compiler/lower/rules.js";
import { ModelBuilder, tensor } from "../src/compiler/onnx/modelBuilder.js";
import { CompileError } from "../src/core/errors.js";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const readme = read("README.md");

/** The fenced blocks of a language, in order. */
function blocks(text: string, language: string): string[] {
  const found = text.matchAll(new RegExp("^```" + language + "\\n([^]*?)^```$", "gm"));
  return [...found].map(([, body]) => body!);
}

/** The words in backquotes of the list item or table row that begins with a label. */
function listed(label: string): string[] {
  const item = readme.split(/^(?=- |## |### )/m).find((part) => part.startsWith(`- **${label}**`));
  return [...(item ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
}

test("the embedding is examples/embed.mjs, and its module examples/embed.aivmt", () => {
  expect(blocks(readme, "js")).toContain(read("examples/embed.mjs"));
  expect(blocks(readme, "text")).toContain(read("examples/embed.aivmt"));
});

test("the scripts it names are there", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/npm (?:run )?([a-z][a-z:]*)/g)].map(([, name]) => name!);
  const builtin = ["ci", "install", "pack", "ships"];
  const unknown = named.filter((name) => !builtin.includes(name) && !(name in scripts));
  expect(named).toContain("demo");
  expect(unknown).toEqual([]);
});

describe("the commands", () => {
  const folder = mkdtempSync(join(tmpdir(), "aivm-readme-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const printed = new Map<string, string>();
  const commands = blocks(readme, "sh")
    .flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
    .filter((line) => /^(npx aivm|node examples\/write-digits)/.test(line))
    .map((line) => line.replace(/\s+#.*$/, ""));

  beforeAll(() => {
    for (const command of commands) {
      const [, , ...rest] = command.split(/\s+/);
      const script = command.startsWith("npx") ? "bin/aivm.js" : command.split(/\s+/)[1]!;
      const args = rest.map((word) => word.replaceAll("/tmp/digits", folder));
      printed.set(
        command,
        execFileSync(process.execPath, [script, ...args], { cwd: root, encoding: "utf8" }),
      );
    }
  }, 120_000);

  it("show every command of the command line", () => {
    const help = execFileSync(process.execPath, ["bin/aivm.js", "--help"], {
      cwd: root,
      encoding: "utf8",
    });
    const all = [...help.matchAll(/^ {2}([a-z]+) .*(?:<|\[)/gm)].map(([, name]) => name!);
    expect(all).toContain("compile");
    const shown = new Set(commands.map((command) => command.split(/\s+/)[2]));
    expect(all.filter((name) => name !== "help" && !shown.has(name))).toEqual([]);
  });

  it("run", () => {
    expect(printed.size).toBe(commands.length);
    const output = (start: string): string =>
      [...printed].find(([command]) => command.startsWith(start))![1];
    expect(output("npx aivm run")).toContain("finished");
    // Text and back is the same module.
    const id = /[0-9a-f]{64}/.exec(output("npx aivm compile"))![0];
    expect(output("npx aivm assemble")).toContain(id);
    expect(readdirSync(join(folder, "out"))).toEqual(["probabilities.npy"]);
  });

  it.each(PRECISIONS)("give the module and the gas that the table states for %s", (precision) => {
    const stated = new RegExp(
      "^\\| `" + precision + "` .*\\| ([\\d,]+) bytes *\\| ([\\d,]+) *\\|$",
      "m",
    );
    const [, bytes, gas] = stated.exec(readme)!.map((figure) => figure.replaceAll(",", ""));
    const calibration = join(folder, "calibration.json");
    const module = join(folder, `${precision}.aivm`);
    const args = `bin/aivm.js compile examples/models/digits.onnx --calibration ${calibration}`;
    const out = execFileSync(
      process.execPath,
      [...args.split(" "), "-o", module, "--precision", precision, "--json"],
      { cwd: root, encoding: "utf8" },
    );
    const report = JSON.parse(out) as { moduleBytes: number; gas: { gas: string } };
    expect([String(report.moduleBytes), report.gas.gas]).toEqual([bytes, gas]);
  });
});

describe("the operators", () => {
  const supports = (model: ModelBuilder): boolean => {
    try {
      importSupported(model.encode(), {});
      return true;
    } catch (error) {
      if (error instanceof CompileError && error.code === "UnsupportedOperator") return false;
      throw error;
    }
  };
  const floats = (...dims: number[]) =>
    tensor("float32", dims, new Array<number>(dims.reduce((a, b) => a * b, 1)).fill(0.5));
  const integers = (...values: number[]) => tensor("int64", [values.length], values);
  const model = (): ModelBuilder =>
    new ModelBuilder(22)
      .input("x", "float32", [1, 4, 6, 6])
      .input("z", "float32", [1, 4, 6, 6])
      .output("y", "float32");
  const on = (op: string, ...inputs: string[]): ModelBuilder => model().node(op, inputs, ["y"]);

  it("that are lowered as they are, are those with a rule", () => {
    const ours = [...SUPPORTED].filter((name) => !name.startsWith("aivm."));
    expect(listed("Lowered as they are").sort()).toEqual(ours.sort());
  });

  it("of onnxruntime are those that are expanded", () => {
    expect(listed("Of onnxruntime's own").sort()).toEqual([...CONTRIB_OPERATORS].sort());
  });

  it("that become a table, are the functions of one variable that compile", () => {
    // Named by us, not by ONNX: parts of functions of more than one node.
    const parts = ["Erfc", "Expm1", "Log1p", "Rsqrt"];
    const here = Object.keys(functions).filter(
      (name) => !parts.includes(name) && !SUPPORTED.has(name) && supports(on(name, "x")),
    );
    expect(listed("Functions of one variable").sort()).toEqual(here.sort());
  });

  /** A window of 6 added to each row. */
  const window = (op: string): ModelBuilder =>
    model()
      .constant("n", tensor("int64", [], [6]))
      .node(op, ["n"], ["w"])
      .node("Add", ["x", "w"], ["y"]);
  const rewritten: Record<string, () => ModelBuilder> = {
    Attention: () => on("Attention", "x", "z", "z"),
    RotaryEmbedding: () => on("RotaryEmbedding", "x", "c", "c").constant("c", floats(1, 6, 3)),
    GlobalLpPool: () => on("GlobalLpPool", "x"),
    Einsum: () => model().node("Einsum", ["x", "z"], ["y"], { equation: "ncij,ncjk->nik" }),
    Col2Im: () =>
      model()
        .input("s", "float32", [1, 8, 9])
        .constant("i", integers(4, 4))
        .constant("k", integers(2, 2))
        .node("Col2Im", ["s", "i", "k"], ["y"]),
    AffineGrid: () =>
      model()
        .input("t", "float32", [1, 2, 3])
        .constant("s", integers(1, 4, 5, 5))
        .node("AffineGrid", ["t", "s"], ["y"]),
    MelWeightMatrix: () =>
      model()
        .constant("n", tensor("int64", [], [10]))
        .constant("f", floats())
        .constant("g", tensor("float32", [], [2]))
        .node("MelWeightMatrix", ["n", "n", "n", "f", "g"], ["m"])
        .node("MatMul", ["m", "m8"], ["p"])
        .constant("m8", floats(10, 6))
        .node("Add", ["x", "p"], ["y"]),
    STFT: () =>
      model()
        .input("s", "float32", [1, 8, 1])
        .constant("n", tensor("int64", [], [4]))
        .node("STFT", ["s", "n", "", "n"], ["y"]),
    HannWindow: () => window("HannWindow"),
    HammingWindow: () => window("HammingWindow"),
    DFT: () => model().input("s", "float32", [1, 8, 1]).node("DFT", ["s"], ["y"]),
    BlackmanWindow: () => window("BlackmanWindow"),
    CastLike: () => on("CastLike", "x", "z"),
    CenterCropPad: () => on("CenterCropPad", "x", "sizes").constant("sizes", integers(1, 4, 4, 8)),
    Constant: () =>
      model().node("Constant", [], ["c"], { value_float: 0.25 }).node("Add", ["x", "c"], ["y"]),
    DepthToSpace: () => model().node("DepthToSpace", ["x"], ["y"], { blocksize: 2 }),
    Dropout: () => on("Dropout", "x"),
    Flatten: () => on("Flatten", "x"),
    Scan: () =>
      model().node("Scan", ["x"], ["y"], {
        num_scan_inputs: 1,
        body: new ModelBuilder()
          .input("row", "float32", [4, 6, 6])
          .node("Relu", ["row"], ["r"])
          .output("r", "float32", [4, 6, 6])
          .graph(),
      }),
    SpaceToDepth: () => model().node("SpaceToDepth", ["x"], ["y"], { blocksize: 2 }),
    Split: () =>
      model()
        .node("Split", ["x", "sizes"], ["p", "q"], { axis: 1 })
        .constant("sizes", integers(2, 2))
        .node("Add", ["p", "q"], ["y"]),
    Squeeze: () => on("Squeeze", "x", "axes").constant("axes", integers(0)),
    Tile: () => on("Tile", "x", "r").constant("r", integers(1, 1, 2, 2)),
    Unsqueeze: () => on("Unsqueeze", "x", "axes").constant("axes", integers(0)),
  };

  it("that are rewritten compile", () => {
    expect(listed("Rewritten into those").sort()).toEqual(Object.keys(rewritten).sort());
    const refused = Object.entries(rewritten).filter(([, build]) => !supports(build()));
    expect(refused.map(([name]) => name)).toEqual([]);
  });

  const refused: Record<string, () => ModelBuilder> = {
    Bernoulli: () => on("Bernoulli", "x"),
    ImageDecoder: () => on("ImageDecoder", "x"),
    StringNormalizer: () => on("StringNormalizer", "x"),
  };

  it("that are refused are refused", () => {
    expect(listed("Refused").sort()).toEqual(Object.keys(refused).sort());
    const accepted = Object.entries(refused).filter(([, build]) => supports(build()));
    expect(accepted.map(([name]) => name)).toEqual([]);
  });
});

test("the precision profiles are those there are", () => {
  const rows = [...readme.matchAll(/^\| `(fx\w+)`/gm)].map(([, name]) => name!);
  expect(new Set(rows)).toEqual(new Set(PRECISIONS));
});

describe("links lead to files that are there", () => {
  const pages = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    ...readdirSync(join(root, "spec"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `spec/${name}`),
    "spec/instructions/README.md",
    "spec/instructions/README.md",
  ];
  test.each(pages)("of %s", (page) => {
    const text = read(page).replace(/^```[^]*?^```$/gm, "");
    const dead = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^https?:/.test(target) && !leads(page, target));
    expect(dead).toEqual([]);
  });
});

/** Whether a link of a page names a file, and a heading in it where it has a fragment. */
function leads(page: string, target: string): boolean {
  const [path, fragment] = target.split("#") as [string, string | undefined];
  const file = path === "" ? join(root, page) : resolve(dirname(join(root, page)), path);
  if (!file.startsWith(root) || !existsSync(file)) return false;
  if (fragment === undefined) return true;
  const headings = [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)];
  return headings.some(([, heading]) => slug(heading!) === fragment);
}

/** The anchor that GitHub gives a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}
