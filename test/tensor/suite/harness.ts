import { expect } from "vitest";
import type { ExactValue } from "../../../src/opcodes/evaluate.js";
import { evaluateExact } from "../../../src/opcodes/evaluate.js";
import type { TensorOpName } from "../../../src/opcodes/index.js";
import type { AnyImmediates } from "../../../src/opcodes/record.js";
import type { Backend, Tensor } from "../../../src/tensor/backend.js";
import { callKernel } from "../../support/callKernel.js";
import { bytesOf, valuesOf } from "../../support/exactBytes.js";

/** The backend under test, once it has been made. */
export type TheBackend = () => Backend;

/** One instruction of a chain: operands and results are names of tensors. */
export interface Step {
  readonly op: TensorOpName;
  readonly imm: AnyImmediates;
  readonly from: readonly string[];
  readonly to: string;
}

const describeImmediates = (imm: AnyImmediates): string =>
  JSON.stringify(imm, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));

function describeCase(op: string, imm: AnyImmediates, operands: readonly ExactValue[]): string {
  const specs = operands.map(({ dtype, shape }) => `${dtype}[${shape.join(",")}]`);
  return `${op} ${describeImmediates(imm)} of ${specs.join(", ")}`;
}

export function upload(backend: Backend, x: ExactValue): Tensor {
  return backend.upload(x.dtype, x.shape, bytesOf(x));
}

/** Asserts that the backend's tensor is `expected`; `what` says where it came from. */
export function expectTensor(
  backend: Backend,
  actual: Tensor,
  expected: ExactValue,
  what: string,
): void {
  expect({ dtype: actual.dtype, shape: [...actual.shape] }, what).toEqual({
    dtype: expected.dtype,
    shape: [...expected.shape],
  });
  const values = valuesOf(actual.dtype, backend.download(actual));
  const at = expected.values.findIndex((value, i) => values[i] !== value);
  if (at >= 0 || values.length !== expected.values.length) {
    expect(`${values[at]} at ${at} of ${values.length}`, what).toBe(
      `${expected.values[at]} at ${at} of ${expected.values.length}`,
    );
  }
}

function drop(backend: Backend, x: Tensor): void {
  x.refs--;
  if (x.refs === 0) backend.release(x);
}

/**
 * Runs an instruction on the backend as the machine does and compares every bit of every result
 * with the exact meaning: once where the operands die with the instruction, so that the backend may
 * defer or reuse them, and once where others hold them, which must find them unchanged.
 */
export function check(
  backend: Backend,
  op: TensorOpName,
  imm: AnyImmediates,
  ...operands: readonly ExactValue[]
): void {
  const what = describeCase(op, imm, operands);
  const expected = evaluateExact(op, imm, operands);

  for (const others of [0, 1]) {
    const uploaded = new Map(operands.map((operand) => [operand, upload(backend, operand)]));
    for (const x of uploaded.values()) x.refs = others;
    const stack = operands.map((operand) => uploaded.get(operand)!);
    for (const x of stack) x.refs++;
    const results = callKernel(backend, op, imm, stack);
    for (const x of stack) drop(backend, x);

    expect(results.length, what).toBe(expected.length);
    results.forEach((result, i) => expectTensor(backend, result, expected[i]!, what));
    if (others > 0) {
      for (const [operand, x] of uploaded) {
        expectTensor(backend, x, operand, `an operand after ${what}`);
        drop(backend, x);
      }
    }
    for (const result of results) drop(backend, result);
  }
}

/**
 * Runs instructions one after the other, once for each set of `keeping`. A tensor is held once for
 * every use that is still to come, and once more if it is kept; those are read when all has run.
 * Only the first result of an instruction is named.
 */
export function checkChain(
  backend: Backend,
  inputs: Readonly<Record<string, ExactValue>>,
  steps: readonly Step[],
  keeping: readonly (readonly string[])[],
): void {
  const exact = new Map(Object.entries(inputs));
  for (const { op, imm, from, to } of steps) {
    const operands = from.map((name) => exact.get(name)!);
    exact.set(to, evaluateExact(op, imm, operands)[0]!);
  }

  for (const kept of keeping) {
    const what = `${steps.map(({ op, to }) => `${op} → ${to}`).join(", ")}, keeping ${kept.join(", ")}`;
    const uses = (name: string): number =>
      [...steps.flatMap(({ from }) => from), ...kept].filter((other) => other === name).length;
    const held = new Map(Object.entries(inputs).map(([name, x]) => [name, upload(backend, x)]));
    for (const [name, x] of held) x.refs = uses(name);
    for (const { op, imm, from, to } of steps) {
      const operands = from.map((name) => held.get(name)!);
      const [result] = callKernel(backend, op, imm, operands);
      result!.refs = uses(to);
      held.set(to, result!);
      for (const x of operands) drop(backend, x);
    }
    for (const name of kept) {
      expectTensor(backend, held.get(name)!, exact.get(name)!, `${name} of ${what}`);
      drop(backend, held.get(name)!);
    }
  }
}
