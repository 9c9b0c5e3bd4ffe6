import { InputError } from "../core/errors.js";

/** What a run may use. All of it is part of the receipt: under other limits a run may end otherwise. */
export interface Limits {
  /** Gas that a run may use, below 2^64. */
  readonly gas: bigint;
  /**
   * Bytes of the distinct tensors that are alive at once: on the operand stack and in the locals of
   * all frames. Dimensions of 0 count as 1. What belongs to the instance does not count: parameters,
   * the scalars of `scalar`, initial values of locals.
   */
  readonly memoryBytes: number;
  /** Operands on the stack and locals, of all frames together. */
  readonly stackDepth: number;
  /** Frames at once; the entry's own is the first. */
  readonly callDepth: number;
  /** Elements of one tensor; dimensions of 0 count as 1. */
  readonly elements: number;
}

/** What a run may use where its host says nothing else. */
export const DEFAULT_LIMITS: Limits = {
  gas: 1_000_000_000_000_000n,
  memoryBytes: 2 ** 32,
  stackDepth: 65_536,
  callDepth: 256,
  elements: 2 ** 29,
};

/** The names of the limits that are plain numbers. */
const COUNTS = ["memoryBytes", "stackDepth", "callDepth", "elements"] as const;

/**
 * The default limits with those of the caller in their place.
 * @throws InputError `Limit` when one is not a number that a limit can be
 */
export function resolveLimits(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (name === "gas") limits.gas = checkGas(value);
    else if ((COUNTS as readonly string[]).includes(name)) {
      limits[name as (typeof COUNTS)[number]] = checkCount(name, value);
    } else {
      throw new InputError(
        "Limit",
        `there is no limit "${name}"; there are gas, ${COUNTS.join(", ")}`,
        {
          name,
        },
      );
    }
  }
  return limits;
}

function checkGas(value: number | bigint): bigint {
  const gas = typeof value === "bigint" || Number.isSafeInteger(value) ? BigInt(value) : -1n;
  if (gas >= 0n && gas < 1n << 64n) return gas;
  throw new InputError(
    "Limit",
    `the gas limit is ${value}; it must be an integer from 0 to 2^64 − 1`,
    {
      name: "gas",
    },
  );
}

function checkCount(name: string, value: number | bigint): number {
  const least = name === "callDepth" ? 1 : 0; // the entry itself is a call
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
  throw new InputError(
    "Limit",
    `the limit ${name} is ${value}; it must be an integer from ${least} to 2^53 − 1`,
    {
      name,
    },
  );
}
