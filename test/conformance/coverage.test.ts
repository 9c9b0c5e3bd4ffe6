import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { loadVectors, OWN_VECTORS } from "../../src/cli/conformance/loadVectors.js";
import { fromBase64 } from "../../src/conformance/base64.js";
import type { Vector, VectorFile, VectorKind } from "../../src/conformance/vector.js";
import { VECTOR_KINDS } from "../../src/conformance/vector.js";
import type { TrapCode } from "../../src/core/errors.js";
import { TRAP_CODES } from "../../src/core/errors.js";
import { decodeModule } from "../../src/module/decode.js";
import { CONTRACTION_ROWS } from "../../src/opcodes/contraction.js";
import type { OpName } from "../../src/opcodes/index.js";
import { OPS, isTensorOp, recordOf } from "../../src/opcodes/index.js";
import type { AnyImmediates } from "../../src/opcodes/record.js";
import { operandRulesOf } from "../../src/opcodes/signature.js";
import { LIMIT_TRAPS, TRAP_DOCS, trapsOf } from "../../src/opcodes/traps.js";

const SPEC = fileURLToPath(new URL("../../spec/", import.meta.url));
const OP_NAMES = Object.keys(OPS) as OpName[];

/** Sections that state no rule of what an engine does, and why they need no vectors. */
const INFORMATIVE: Readonly<Record<string, string>> = {
  "module.md#example": "shows what other sections say; a vector has its bytes all the same",
  "README.md#isajson": "says which rules of other sections there are as data",
  "versioning.md#what-may-change": "binds those who write the next version",
  "versioning.md#levels": "names sets of vectors",
};
/** Traps that no vector can bring about. */
const OUT_OF_REACH = new Set([
  // It would take an operand of 2^31 elements.
  "nonzero ShapeMismatch",
]);
/** Inputs that exceed these trap before the first instruction, without gas. */
const LIMITS_OF_INPUTS: ReadonlySet<TrapCode> = new Set([
  "ElementLimit",
  "MemoryLimit",
  "StackLimit",
]);
/** Pages that say nothing of what an engine does. */
const INFORMATIVE_PAGES = ["assembly.md", "onnx-coverage.md", "instructions/README.md"];

/** The anchor that a heading has in links. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

/** Every section of the normative pages, as clauses name it. */
function clauses(): string[] {
  const pages = [
    ...readdirSync(SPEC),
    ...readdirSync(`${SPEC}instructions`).map((name) => `instructions/${name}`),
  ].filter((page) => page.endsWith(".md") && !INFORMATIVE_PAGES.includes(page));
  return pages.flatMap((page) =>
    [...readFileSync(`${SPEC}${page}`, "utf8").matchAll(/^## (.+)$/gm)]
      .map(([, heading]) => `${page}#${slug(heading!)}`)
      .filter((clause) => !/^instructions\/.*#example$/.test(clause)),
  );
}

describe("the vectors cover", () => {
  const files = new Map<string, VectorFile>();
  let all: Vector[] = [];
  beforeAll(async () => {
    for (const { name, file } of await loadVectors(OWN_VECTORS)) files.set(name, file);
    all = [...files.values()].flatMap(({ vectors }) => vectors);
  });
  /** Traps by the instruction that raised them. */
  const raised = new Map<OpName, Set<TrapCode>>(OP_NAMES.map((op) => [op, new Set()]));
  beforeAll(() => {
    for (const { modules, vectors } of files.values()) {
      for (const { module, runs, expect: expected } of vectors) {
        const { trap, gasUsed } = expected;
        // Without gas it is the inputs that do not fit the limits, or the first instruction's shapes.
        if (trap === undefined || (gasUsed === "0" && LIMITS_OF_INPUTS.has(trap.code))) continue;
        const { functions, aggregation } = decodeModule(fromBase64(modules[module]!.bytes));
        const part = runs === undefined ? functions : aggregation;
        raised.get(part[trap.function]!.body[trap.pc]!.op)!.add(trap.code);
      }
    }
  });
  const of = (op: OpName): readonly Vector[] => files.get(`instructions/${op}.json`)?.vectors ?? [];
  const seen = (kind: VectorKind, pick: (vector: Vector) => string | undefined): Set<string> =>
    new Set(
      all.flatMap((vector) => (vector.kind === kind ? [pick(vector)].flatMap((x) => x ?? []) : [])),
    );

  it("every section that states a rule, and name none that is not there", () => {
    const tested = new Set(all.flatMap((vector) => vector.clauses));
    const there = clauses();
    const rules = there.filter((clause) => INFORMATIVE[clause] === undefined);
    expect(rules.length).toBeGreaterThan(500);
    expect(rules.filter((clause) => !tested.has(clause))).toEqual([]);
    expect([...tested].filter((clause) => !there.includes(clause))).toEqual([]);
    expect(Object.keys(INFORMATIVE).filter((clause) => !there.includes(clause))).toEqual([]);
  });

  it("every kind, trap, and code of a failure", () => {
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(VECTOR_KINDS));
    const traps = new Set(all.flatMap(({ expect: { trap } }) => trap?.code ?? []));
    expect(traps).toEqual(new Set(Object.keys(TRAP_CODES)));
    const page = (name: string, from: string, to?: string): string => {
      const text = readFileSync(`${SPEC}${name}`, "utf8");
      return text.slice(text.indexOf(from), to === undefined ? undefined : text.indexOf(to));
    };
    const codes = (text: string): string[] =>
      [...text.matchAll(/^\| ((?:`\w+`(?:, )?)+) +\|/gm)].flatMap(([, row]) =>
        [...row!.matchAll(/\w+/g)].map(([code]) => code),
      );
    const malformed = codes(page("module.md", "## Malformed bytes", "## Example"));
    expect(malformed.length).toBeGreaterThan(10);
    expect(seen("malformed", ({ expect: { code } }) => code)).toEqual(new Set(malformed));
    const invalid = codes(page("validation.md", "## Errors"));
    expect(invalid.length).toBeGreaterThan(10);
    // `Immediate` by kind alone cannot be reached through bytes: the decoder has seen to it.
    expect(seen("invalid", ({ expect: { code } }) => code)).toEqual(new Set(invalid));
    const link = ["MissingParameter", "ParameterLength", "ParameterRoot", "ParameterBool"];
    expect(seen("link", ({ expect: { code } }) => code)).toEqual(new Set(link));
  });

  it("traps and limits as the pages state them", () => {
    const text = readFileSync(`${SPEC}execution.md`, "utf8");
    const rows = [...text.matchAll(/^\| (\d+) +\| `(\w+)` +\| (.*?) +\|$/gm)];
    expect(rows.map(([, number, code, doc]) => [code, Number(number), doc])).toEqual(
      Object.entries(TRAP_CODES).map(([code, number]) => [
        code,
        number,
        TRAP_DOCS[code as TrapCode],
      ]),
    );
    const limits = text.slice(text.indexOf("## Limits of a run"), text.indexOf("## Traps"));
    expect([...limits.matchAll(/\| `(\w+)` +\|$/gm)].map(([, code]) => code).sort()).toEqual(
      Object.values(LIMIT_TRAPS).sort(),
    );
  });

  it.each(OP_NAMES)("%s: its gas, its limits, its form, its traps", (op) => {
    const vectors = of(op);
    const record = recordOf(op);
    const count = (kind: VectorKind, clause: string): number =>
      vectors.filter(
        (v) => v.kind === kind && v.clauses.includes(`instructions/${op}.md#${clause}`),
      ).length;
    expect(count("malformed", "immediates")).toBeGreaterThan(0);
    expect(count("out-of-gas", "gas")).toBeGreaterThan(0);
    if (op !== "trap") expect(count("return", "gas")).toBeGreaterThan(0);
    const traps = trapsOf(record).filter((code) => !OUT_OF_REACH.has(`${op} ${code}`));
    expect([...(raised.get(op) ?? [])].sort()).toEqual([...traps].sort());
    if (record.kind !== "tensor") return;
    expect(vectors.filter(({ kind }) => kind === "invalid").length).toBeGreaterThan(0);
    for (const { rule } of record.constraints) {
      const broken = rule === "accumulator" ? "terms/one-more/weights" : `invalid/${rule}/`;
      const breaks = ({ kind, name }: Vector): boolean =>
        kind === "invalid" && name.includes(broken);
      expect(vectors.some(breaks), rule).toBe(true);
    }
  });

  it.each(OP_NAMES.filter(isTensorOp))("%s: every dtype of operands and immediates", (op) => {
    const record = recordOf(op);
    if (record.kind !== "tensor") return;
    const wanted = new Set<string>();
    for (const { name, dtype } of record.operands) {
      if (!("same" in dtype)) for (const own of dtype) wanted.add(`${name} ${own}`);
    }
    for (const [name, spec] of Object.entries(record.immediates)) {
      if (spec.kind === "dtype") for (const own of spec.among) wanted.add(`${name} ${own}`);
    }
    if (record.constraints.some(({ rule }) => rule === "triple")) {
      for (const row of CONTRACTION_ROWS) wanted.add(row.join(" "));
    }
    for (const { name, rank } of record.operands) {
      if (rank === "any") wanted.add(`${name} rank 0`).add(`${name} empty`);
    }
    const found = new Set<string>();
    const file = files.get(`instructions/${op}.json`)!;
    for (const { kind, module, inputs } of file.vectors) {
      if (kind !== "return") continue;
      for (const what of usedBy(op, fromBase64(file.modules[module]!.bytes), inputs ?? [])) {
        found.add(what);
      }
    }
    expect([...wanted].filter((what) => !found.has(what))).toEqual([]);
  });
});

/** What a module of one instruction puts to it. */
function usedBy(op: OpName, bytes: Uint8Array, inputs: NonNullable<Vector["inputs"]>): string[] {
  const { functions, parameters } = decodeModule(bytes);
  const { body } = functions[0]!;
  const instruction = body[body.length - 2]!;
  const record = recordOf(op);
  if (instruction.op !== op || record.kind !== "tensor") return [];
  const imm = instruction.imm as AnyImmediates;
  const rules = operandRulesOf(record, imm);
  const operands = body.slice(0, -2).map((load) => {
    if (load.op === "const") return parameters[load.imm.parameter]!;
    return inputs[(load.imm as { local: number }).local]!;
  });
  const dtypes = Object.entries(record.immediates).flatMap(([name, { kind }]) =>
    kind === "dtype" ? [`${name} ${imm[name] as string}`] : [],
  );
  const triple = [...operands.map(({ dtype }) => dtype), imm["accumulator"]].join(" ");
  return [
    ...dtypes,
    triple,
    ...operands.flatMap(({ dtype, shape }, i) => {
      const { name } = rules[i]!;
      const odd = shape.length === 0 ? ["rank 0"] : shape.includes(0) ? ["empty"] : [];
      return [dtype, ...odd].map((what) => `${name} ${what}`);
    }),
  ];
}
