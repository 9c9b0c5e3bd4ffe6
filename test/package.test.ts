import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = new URL("../", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  version: string;
  bin: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

describe("package", () => {
  for (const [entry, target] of Object.entries(manifest.exports)) {
    test(`export "${entry}" has a source`, () => {
      if (typeof target === "string") {
        expect(existsSync(new URL(target, root))).toBe(true);
        return;
      }
      expect(target.types).toBe(target.default.replace(/\.js$/, ".d.ts"));
      const source = target.default.replace(/^\.\/dist\//, "src/").replace(/\.js$/, ".ts");
      expect(source.startsWith("src/")).toBe(true);
      expect(existsSync(new URL(source, root)), source).toBe(true);
    });
  }

  test("the command is executable and answers --help", () => {
    const bin = fileURLToPath(new URL(manifest.bin["aivm"] ?? "missing", root));
    accessSync(bin, constants.X_OK);
    const help = execFileSync(process.execPath, [bin, "--help"], { encoding: "utf8" });
    expect(help).toContain("aivm compile");
  });

  test("dependencies are pinned to exact versions", () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
