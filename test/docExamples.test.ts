/** The examples of docstrings compile against the package, run, and print what they say. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));

interface Example {
  readonly source: string;
  readonly code: string;
}

/** Examples of all docstrings; those without a block of code have none to run. */
function examples(): Example[] {
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  return files
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => {
      const text = readFileSync(join(root, "src", name), "utf8");
      return text
        .split(/^ *\* @example\b/m)
        .slice(1)
        .map((rest) => {
          const block = /^\n *\* ```ts\n([^]*?)^ *\* ```$/m.exec(rest.slice(0, rest.indexOf("*/")));
          return { source: name, code: (block?.[1] ?? "").replace(/^ *\* ?/gm, "") };
        });
    });
}

describe("examples of docstrings", () => {
  const all = examples();
  mkdirSync(join(root, "dist"), { recursive: true });
  // Inside the package, so that its own name resolves as it does for those who install it.
  const folder = mkdtempSync(join(root, "dist", "doc-examples-"));
  const files = all.map((_, i) => join(folder, `example${i}.mts`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  let problems: string[] = [];
  beforeAll(() => {
    all.forEach(({ code }, i) => writeFileSync(files[i]!, code));
    const program = ts.createProgram(files, {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      skipLibCheck: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    });
    problems = ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText, file }) => `${file?.fileName ?? ""}: ${JSON.stringify(messageText)}`);
    program.emit();
  }, 120_000);

  it("compile", () => {
    expect(problems).toEqual([]);
  });

  it("are there for what each entry point begins with", () => {
    expect(new Set(all.map(({ source }) => source.replaceAll("\\", "/")))).toEqual(
      new Set([
        "index.ts",
        "vm/instance.ts",
        "module/assemble.ts",
        "compiler/compile.ts",
        "analysis/calibrate.ts",
        "tensor/reference/index.ts",
        "tensor/simd/index.ts",
        "tensor/tfjs/index.ts",
      ]),
    );
  });

  it.each(all.map(({ source, code }, i) => ({ source, code, i })))("$source", ({ code, i }) => {
    const said = [...code.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line!);
    expect(said.length).toBeGreaterThan(0);
    const script = files[i]!.replace(/mts$/, "mjs");
    const printed = execFileSync(process.execPath, [script], { cwd: root, encoding: "utf8" });
    expect(printed.trim().split("\n")).toEqual(said);
  });
});
