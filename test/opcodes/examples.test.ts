import { describe, expect, it } from "vitest";
import { evaluateExact } from "../../src/opcodes/evaluate.js";
import { EXAMPLES, MACHINE_EXAMPLES } from "../../src/opcodes/examples.js";
import type { TensorOpName } from "../../src/opcodes/index.js";
import { OPS } from "../../src/opcodes/index.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { validateModule } from "../../src/module/validate.js";

describe("the examples of the pages", () => {
  it.each(Object.keys(EXAMPLES) as TensorOpName[])("%s gives what hand calculation gives", (op) => {
    const { imm, operands, results } = EXAMPLES[op];
    expect(evaluateExact(op, imm, operands)).toEqual(results);
  });

  it.each(Object.entries(MACHINE_EXAMPLES))(
    "%s occurs in its example, which is valid",
    (op, text) => {
      const module = parseAssembly(`aivm isa=1 gas=1\n${text}`);
      expect(module.functions[0]!.body.map((instruction) => instruction.op)).toContain(op);
      validateModule(module);
    },
  );

  it("cover every instruction", () => {
    expect(new Set([...Object.keys(EXAMPLES), ...Object.keys(MACHINE_EXAMPLES)])).toEqual(
      new Set(Object.keys(OPS)),
    );
  });
});
