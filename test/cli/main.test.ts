import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeNpy } from "../../src/cli/files/npy.js";
import { encodeModule } from "../../src/module/encode.js";
import { TINY } from "../support/tinyModule.js";

const BIN = fileURLToPath(new URL("../../bin/aivm.js", import.meta.url));

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "aivm-main-"));
  await writeFile(join(root, "tiny.aivm"), encodeModule(TINY));
  const x = { elementType: "float32", dims: [1, 3], data: new Float32Array(3) } as const;
  await writeFile(join(root, "x.npy"), encodeNpy(x));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

function spawn(args: string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [BIN, ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

/** URLs of all scripts that a run of the program loaded, as V8 counts them. */
async function loadedBy(...args: string[]): Promise<string[]> {
  const folder = await mkdtemp(join(root, "coverage-"));
  const { status } = spawn(args, { NODE_V8_COVERAGE: folder });
  expect(status).toBe(0);
  const urls: string[] = [];
  for (const file of await readdir(folder)) {
    const { result } = JSON.parse(await readFile(join(folder, file), "utf8")) as {
      result: { url: string }[];
    };
    urls.push(...result.map(({ url }) => url));
  }
  return urls;
}

describe("the program aivm", () => {
  it("runs a module without loading compiler, tfjs or onnxruntime", async () => {
    const heavy =
      /dist\/(compiler|analysis|tensor\/tfjs)\/|@tensorflow|onnxruntime|protobufjs|cli-progress/;
    const run = ["run", "tiny.aivm", "--input", "x=x.npy"];
    const urls = await loadedBy(...run);
    expect(urls.some((url) => url.includes("dist/vm/"))).toBe(true);
    expect(urls.filter((url) => heavy.test(url))).toEqual([]);
    // The measure works: what is asked for is seen.
    expect((await loadedBy(...run, "--backend", "tfjs")).some((url) => heavy.test(url))).toBe(true);
  });

  it("hands its exit code to the shell, and errors to stderr", () => {
    expect(spawn(["inspect", "tiny.aivm"])).toMatchObject({ status: 0, stderr: "" });
    expect(spawn(["inspect", "absent.aivm"])).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "error: absent.aivm does not exist; check the path\n",
    });
    expect(spawn(["inspect"])).toMatchObject({ status: 2, stdout: "" });
  });

  it("shows a stack only when asked to", () => {
    expect(spawn(["inspect", "absent.aivm"]).stderr).not.toContain("    at ");
    expect(spawn(["inspect", "absent.aivm"], { AIVM_DEBUG: "1" }).stderr).toContain("    at ");
  });

  it("writes no colours into a pipe", () => {
    const { stdout, stderr } = spawn(["run", "tiny.aivm", "--input", "x=x.npy", "--gas", "0"]);
    expect(stdout + stderr).toContain("trapped");
    expect(stdout + stderr).not.toContain("\u001b");
  });
});
