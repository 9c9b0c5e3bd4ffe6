import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const DEMO = fileURLToPath(new URL("../../examples/demo.mjs", import.meta.url));

it("the demo finds a digit and shows three equal hashes", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const answer = /Answer +(\d), .* \(a person wrote a (\d)\)/.exec(stdout);
  expect(answer?.[1]).toBe(answer?.[2]);
  const hashes = stdout.match(/^ +[0-9a-f]{64}$/gm);
  expect(hashes).toHaveLength(3);
  expect(new Set(hashes).size).toBe(1);
  // What training printed for the held-out digits, less a little: 98.3 %.
  const [, all, float, fixed] =
    /all (\d+) .* float (\d+) right, AIVM (\d+) right/.exec(stdout) ?? [];
  expect(Number(float) / Number(all)).toBeGreaterThan(0.98);
  expect(Number(fixed) / Number(all)).toBeGreaterThan(0.98);
});
