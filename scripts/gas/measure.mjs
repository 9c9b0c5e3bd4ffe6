// Time of one instruction on the simd engine, one thread, as a run sees it.
import { DTYPE_INFO, newArray } from "../../dist/core/dtype.js";
import { elementCount } from "../../dist/core/shape.js";
import { chunkRoot } from "../../dist/module/merkle.js";
import { gasOf } from "../../dist/opcodes/gas.js";
import { GAS_VERSION, ISA_VERSION, OPS, tensorRecordOf } from "../../dist/opcodes/index.js";
import { operandRulesOf, resultDtypesOf } from "../../dist/opcodes/signature.js";
import { instantiate } from "../../dist/vm/instance.js";

/** @typedef {import("./cases.mjs").GasCase} GasCase */

const ROUND_MS = 3;
const MAX_COPIES = 400;

/**
 * Results and gas of a case, from its record.
 * @param {GasCase} gasCase
 */
export function chargeOf({ op, imm, operands }) {
  const record = tensorRecordOf(op);
  const rules = operandRulesOf(record, imm);
  const shapes = record.shape(/** @type {never} */ (imm), operands, []);
  const dtypes = resultDtypesOf(record, imm, rules, operands);
  const results = shapes.map((shape, i) => ({ dtype: dtypes[i], shape }));
  const charged = { imm, operands, results };
  return { rules, charged, results, gas: Number(gasOf(record.gas, rules, charged)) };
}

/**
 * Gas of what is measured beside the case itself: pushing the operands, reading the results.
 * @param {GasCase} gasCase
 */
export function gasBeside(gasCase) {
  const { results } = chargeOf(gasCase);
  const step = Number(OPS.drop.gas.base);
  const gas =
    gasCase.operands.length * step + results.length * (2 * step + Number(OPS.reshape.gas.base));
  if (gasCase.fresh !== true) return gas;
  const [, second] = gasCase.operands;
  return gas + chargeOf({ op: "neg", imm: {}, operands: second ? [second] : [] }).gas;
}

/**
 * A case, made ready to be timed again and again.
 * @param {GasCase} gasCase
 * @param {import("../../dist/tensor/backend.js").Backend} backend
 */
export function prepare(gasCase, backend) {
  const { results } = chargeOf(gasCase);
  const data = gasCase.operands.map((operand, i) => bytesOf(operand, i + 1));
  const parameters = gasCase.operands.map(({ dtype, shape }, i) => ({
    dtype,
    shape,
    root: chunkRoot(data[i]),
  }));
  let copies = 1;
  let instance = make(copies);
  const nanoseconds = () => {
    const start = process.hrtime.bigint();
    const { trap } = instance.runSync();
    const time = Number(process.hrtime.bigint() - start);
    if (trap !== undefined) throw trap;
    return time / copies;
  };
  return {
    /** Nanoseconds of one execution. */
    time: nanoseconds,
    warmUp() {
      nanoseconds();
      const once = Math.min(nanoseconds(), nanoseconds());
      const wanted = Math.max(1, Math.min(MAX_COPIES, Math.floor((ROUND_MS * 1e6) / once)));
      if (wanted === 1) return;
      instance.dispose();
      copies = wanted;
      instance = make(copies);
      for (let i = 0; i < 3; i++) nanoseconds();
    },
    dispose: () => instance.dispose(),
  };

  function make(/** @type {number} */ n) {
    const once = [
      ...gasCase.operands.flatMap((_, parameter) => [
        { op: "const", imm: { parameter } },
        ...(gasCase.fresh && parameter === 1 ? [{ op: "neg", imm: {} }] : []),
      ]),
      { op: gasCase.op, imm: gasCase.imm },
      // An engine may put work off until somebody reads the result: reshaping does, if it has two owners.
      ...results.flatMap((_, i) => [
        { op: "local.tee", imm: { local: results.length - 1 - i } },
        { op: "reshape", imm: { dims: [-1] } },
        { op: "drop", imm: {} },
      ]),
    ];
    const locals = results.map(({ dtype, shape }) => ({ dtype, rank: shape.length }));
    const body = Array.from({ length: n }, () => once).flat();
    const module = {
      configuration: {
        isaVersion: ISA_VERSION,
        gasVersion: GAS_VERSION,
        features: [],
        dimensions: [],
        entries: [{ name: "main", function: 0, inputs: [], outputs: [] }],
        aggregations: [],
      },
      functions: [{ params: [], results: [], locals, body: [...body, { op: "end", imm: {} }] }],
      aggregation: [],
      parameters,
      parameterData: data,
      provenance: {},
    };
    return instantiate(/** @type {never} */ (module), { backend });
  }
}

/** What a case is known by in measurements. */
export function labelOf(/** @type {GasCase} */ { op, imm, operands, fresh }) {
  const shapes = operands.length > 4 ? operands.slice(0, 1) : operands;
  const specs = shapes.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`);
  const list = Object.entries(imm)
    .filter(
      ([name]) =>
        !["lo", "hi", "zeroPoint", "value", "padValue", "accumulator", "aBits", "bBits"].includes(
          name,
        ),
    )
    .map(
      ([name, value]) => `${name}=${Array.isArray(value) ? `[${value.join()}]` : String(value)}`,
    );
  return [op, ...specs, ...list, ...(fresh ? ["fresh"] : [])].join(" ");
}

/** Evenly spread values within the operand's interval, from a fixed sequence. */
function bytesOf(/** @type {import("./cases.mjs").Operand} */ { dtype, shape, lo, hi }, seed = 1) {
  const array = newArray(dtype, elementCount(shape));
  const least = lo === undefined ? DTYPE_INFO[dtype].min : BigInt(lo);
  const span = (hi === undefined ? DTYPE_INFO[dtype].max : BigInt(hi)) - least + 1n;
  let state = (0x9e3779b97f4a7c15n * BigInt(seed)) & 0xffffffffffffffffn;
  // A product of 64 bits an element is slow over millions; 4,096 values are random enough.
  const values = Array.from({ length: Math.min(array.length, 4093) }, () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return least + (((state >> 11n) * span) >> 53n);
  });
  for (let i = 0; i < array.length; i++) {
    const value = values[i % values.length] ?? 0n;
    array[i] = dtype === "i64" ? value : Number(value);
  }
  return new Uint8Array(array.buffer);
}
