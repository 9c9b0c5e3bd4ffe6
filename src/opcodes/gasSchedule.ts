/**
 * The gas schedule: what instructions cost, in picoseconds of the machine on which it was fitted.
 * `npm run fit:gas` proposes the numbers from measurements; `spec/gas.md` says how well they hold.
 */
import type { Dtype } from "../core/dtype.js";
import type { GasFormula, GasRate, GasUnit } from "./record.js";

/** Version of the gas schedule. A module states it and a receipt repeats it. */
export const GAS_VERSION = 1;

function formula(base: bigint, rates: Readonly<Partial<Record<GasUnit, Rates>>> = {}): GasFormula {
  const terms = Object.entries(rates).flatMap(([per, many]) =>
    [many].flat().map((rate: GasRate) => ({ rate, per: per as GasUnit })),
  );
  return { base, terms };
}

type Rates = GasRate | readonly GasRate[];

/** A rate by the dtype of an operand or of a dtype immediate. */
const by = (
  name: string,
  otherwise: bigint,
  rates: Readonly<Partial<Record<Dtype, bigint>>>,
): GasRate => ({ by: name, rates, otherwise });

/**
 * Of any instruction on tensors: interpreting it where nothing is known from earlier runs, as in a
 * loop over scalars. Steps that were seen before take a third of that.
 */
const BASE = 1_500_000n;

/** What instructions cost that cost alike, by the name of their kind. */
export const GAS_SCHEDULE = {
  step: formula(100_000n),
  call: formula(300_000n),
  random: formula(2_000_000n, { resultByte: 40_000n }),

  matmul: formula(BASE, {
    matmulMac: by("a", 25n, { i16: 50n, i32: 150n }),
    matmulSum: 800n,
    matrix: 75_000n,
    operandElement: 600n,
  }),
  conv: formula(BASE, {
    convMac: by("a", 32n, { i16: 60n, i32: 160n }),
    convSum: 1_900n,
    convGroup: 16_000n,
    depthwiseMac: by("a", 80n, { i32: 4_000n }),
    depthwiseSum: 800n,
    image: 120_000n,
    operandElement: 500n,
  }),
  wideProduct: formula(BASE, { resultElement: 750n }),
  rescale: formula(BASE, {
    resultElement: [by("x", 700n, { i64: 1_000n }), by("dtype", 0n, { i64: 5_000n })],
    steepElement: by("x", 300n, { i32: 1_500n, i64: 4_000n }),
  }),
  rescaleBy: formula(BASE, {
    resultElement: [by("x", 2_300n, { i64: 5_500n }), by("dtype", 0n, { i64: 3_500n })],
  }),
  rescaleAdd: formula(BASE, { resultElement: [1_000n, by("dtype", 0n, { i64: 3_500n })] }),
  lut: formula(BASE, { resultElement: 600n }),
  interpolation: formula(BASE, { resultElement: 1_000n }),

  light: formula(BASE, {
    resultElement: by("a", 350n, { i32: 500n, i64: 750n }),
    resultRow: 1_000n,
  }),
  choice: formula(BASE, {
    resultElement: by("a", 350n, { i32: 500n, i64: 1_000n }),
    resultRow: 1_000n,
  }),
  product: formula(BASE, { resultElement: by("a", 450n, { i64: 3_400n }) }),
  shift: formula(BASE, { resultElement: 3_200n }),
  division: formula(BASE, { resultElement: 5_500n }),
  unary: formula(BASE, { resultByte: 150n }),
  cast: formula(BASE, { resultElement: by("dtype", 80n, { bool: 450n }), operandByte: 35n }),
  squareRoot: formula(BASE, { resultElement: 2_200n }),
  normalization: formula(BASE, { resultElement: 4_000n }),

  sum: formula(BASE, {
    operandElement: by("x", 600n, { i64: 2_000n }),
    resultElement: 800n,
  }),
  multiplication: formula(BASE, { operandElement: 2_000n, resultElement: 3_000n }),
  extreme: formula(BASE, {
    operandElement: by("x", 600n, { i64: 2_400n }),
    resultElement: 1_000n,
  }),
  position: formula(BASE, {
    operandElement: by("x", 1_000n, { i64: 2_500n }),
    resultElement: 2_000n,
  }),
  sort: formula(BASE, { sortStep: 3_000n }),
  runningSum: formula(BASE, { operandElement: by("x", 2_800n, { i64: 5_300n }) }),
  greatestPool: formula(BASE, {
    resultRow: 12_000n,
    poolTap: by("x", 190n, { i64: 650n }),
    operandElement: 50n,
  }),
  sumPool: formula(BASE, {
    resultRow: 12_000n,
    poolTap: by("x", 200n, { i32: 900n, i64: 900n }),
    volumeTap: by("x", 0n, { i64: 35_000n }),
    operandElement: 50n,
  }),

  view: formula(BASE),
  move: formula(BASE, { resultElement: 300n, resultByte: 150n }),
  transposition: formula(BASE, { resultElement: 1_800n }),
  concatenation: formula(BASE, {
    resultElement: 100n,
    resultRow: 12_000n,
    operandByte: 20n,
    operand: 60_000n,
  }),
  gathering: formula(BASE, { resultElement: 1_000n, operandElement: 200n }),
  nearest: formula(BASE, { resultElement: 50n, resultByte: 50n, resultRow: 2_300n }),
  linear: formula(BASE, { resultRow: 60_000n, resizeTap: 1_200n }),
  replacement: formula(BASE, { operandElement: 500n }),
  combination: formula(BASE, { operandElement: 1_500n }),
  combinedProduct: formula(BASE, { operandElement: 5_000n }),
  search: formula(BASE, { operandElement: 700n }),
} satisfies Record<string, GasFormula>;
