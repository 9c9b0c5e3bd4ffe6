import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { aivm } from "../cli/runProgram.js";

const folder = mkdtempSync(join(tmpdir(), "aivm-conformance-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Summary {
  readonly engine: string;
  readonly vectors: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly digest: string;
  readonly failures: readonly { name: string; outcome: string; problem: string }[];
}

async function conformance(...args: string[]): Promise<{ code: number; summary: Summary }> {
  const { code, out } = await aivm("conformance", ...args, "--json");
  return { code, summary: JSON.parse(out) as Summary };
}

/** An engine in JavaScript that answers with `answer(request)`, a string as it is. */
function engine(name: string, answer: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(
    path,
    `import { createInterface } from "node:readline";
     let calls = 0;
     const answer = (request) => { ${answer} };
     for await (const line of createInterface(process.stdin)) {
       const request = JSON.parse(line);
       const { id, op } = request;
       const reply = op === "hello" ? { status: "ready", engine: "test engine" } : answer(request);
       process.stdout.write((typeof reply === "string" ? reply : JSON.stringify({ id, ...reply })) + "\\n");
       calls++;
     }`,
  );
  return `"${process.execPath}" "${path}"`;
}

const SUB = "instructions/sub/i8/random";

describe("an engine behind a command", () => {
  const python = spawnSync("python3", ["--version"]).status === 0;

  it.skipIf(!python)(
    `runs in Python${python ? "" : " (skipped: there is no python3)"}`,
    async () => {
      const command = "python3 examples/engine-skeleton/engine.py";
      const every = (await conformance("--engine", command)).summary;
      // What it does not do it says; what it does is right.
      expect(every.failures.filter(({ outcome }) => outcome !== "unsupported")).toEqual([]);
      for (const op of ["add", "sub", "mul", "min", "max"]) {
        const { summary } = await conformance(
          "--engine",
          command,
          "--filter",
          `instructions/${op}/`,
        );
        const { passed, unsupported } = summary.counts;
        expect(summary.failures.filter(({ outcome }) => outcome !== "unsupported")).toEqual([]);
        expect(passed! + unsupported!).toBe(summary.vectors);
        // All that is not invalid: the skeleton has no validator.
        expect(passed).toBeGreaterThan(100);
      }
      const { code, summary } = await conformance(
        "--engine",
        command,
        "--filter",
        "instructions/clamp/i8",
      );
      expect(code).toBe(1);
      expect(summary.counts["unsupported"]).toBe(summary.vectors);
    },
    60_000,
  );

  it("is told what it got wrong, to the byte", async () => {
    const right = readVector("instructions/sub.json", `${SUB}/7`);
    const data = Buffer.from(right.expect.outputs[0]!.data, "base64");
    data[4]! ^= 1;
    const outputs = [{ ...right.expect.outputs[0], data: data.toString("base64") }];
    const wrong = { status: "finished", ...right.expect, outputs };
    const command = engine("wrong", `return ${JSON.stringify(wrong)};`);
    const { code, summary } = await conformance("--engine", command, "--filter", `${SUB}/7`);
    expect(code).toBe(1);
    expect(summary.engine).toBe("test engine");
    expect(summary.failures[0]?.problem).toMatch(
      /^byte 4 of output "y", element \[4\]: expected -?\d+, got -?\d+$/,
    );
  });

  it("may crash, hang or babble without taking other vectors along", async () => {
    const answers = {
      crash: ["process.exit(3)", "crashed", "exit code 3"],
      hang: ["for (;;)", "timed out", "no answer within 0.5 s"],
      babble: ['return "what?"', "crashed", "no JSON object with the id"],
      stale: ["return { id: 999, status: 'finished' }", "crashed", "no JSON object with the id"],
      odd: ["return { status: 'fine' }", "crashed", "an answer has a status of the protocol"],
    } as const;
    for (const [name, [how, outcome, problem]] of Object.entries(answers)) {
      const command = engine(
        name,
        `if (calls === 2) { ${how}; } return { status: "unsupported" };`,
      );
      const args = ["--engine", command, "--filter", SUB, "--timeout", "0.5"];
      const { summary } = await conformance(...args);
      const lost = summary.failures.filter((failure) => failure.outcome !== "unsupported");
      // Every second vector of each life of the engine is lost, and no other.
      expect(lost.map((failure) => failure.outcome)).toEqual([outcome, outcome]);
      expect(lost[0]!.problem).toContain(problem);
      expect(summary.counts["unsupported"]).toBe(summary.vectors - 2);
    }
  }, 60_000);

  it("that does not speak the protocol is an error", async () => {
    const { code, err } = await aivm("conformance", "--engine", "exit 7");
    expect(code).toBe(1);
    expect(err).toContain("does not speak the protocol");
    expect(err).toContain("exit code 7");
  });
});

interface StoredVector {
  readonly name: string;
  readonly expect: { readonly outputs: readonly { readonly data: string }[] };
}

function readVector(file: string, name: string): StoredVector {
  const url = new URL(`../../spec/vectors/${file}`, import.meta.url);
  const { vectors } = JSON.parse(readFileSync(url, "utf8")) as { vectors: StoredVector[] };
  return vectors.find((vector) => vector.name === name)!;
}

describe("the runner", () => {
  it("prints one digest for engines that agree", async () => {
    const digests = await Promise.all(
      ["simd", "tfjs", "reference"].map(
        async (backend) =>
          (await conformance("--backend", backend, "--filter", SUB)).summary.digest,
      ),
    );
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(digests).size).toBe(1);
    const other = await conformance("--filter", "instructions/add/i8/random");
    expect(other.summary.digest).not.toBe(digests[0]);
  });

  it("writes what JUnit's readers read", async () => {
    const path = join(folder, "report.xml");
    const command = engine("no", 'return { status: "error", message: "<&>" };');
    const { code } = await aivm(
      "conformance",
      "--engine",
      command,
      "--filter",
      SUB,
      "--junit",
      path,
    );
    expect(code).toBe(1);
    const xml = readFileSync(path, "utf8");
    expect(xml).toMatch(/<testsuites name="test engine" tests="4" failures="4"/);
    expect(xml).toContain(`<testcase name="${SUB}/1"`);
    expect(xml).toContain("&lt;&amp;&gt;");
  });

  it("says what it cannot do", async () => {
    const nothing = await aivm("conformance", "--filter", "no such vector");
    expect([nothing.code, nothing.err]).toEqual([1, expect.stringContaining("holds no vectors")]);
    const empty = await aivm("conformance", folder);
    expect([empty.code, empty.err]).toEqual([1, expect.stringContaining("no .json files")]);
    writeFileSync(join(folder, "bad.json"), "{}");
    const bad = await aivm("conformance", folder);
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining("no file of vectors")]);
    expect((await aivm("conformance", "--timeout", "never")).code).toBe(2);
    expect((await aivm("conformance", "--engine", "x", "--backend", "simd")).code).toBe(2);
  });
});
