/** What a run was and how it ended, so that two nodes can compare it or one can sign it. */
import type { TrapCode } from "../core/errors.js";
import { InputError, TRAP_CODES } from "../core/errors.js";
import { sha256 } from "../module/sha256.js";
import { fromHex } from "./hex.js";
import type { Limits } from "./limits.js";

/** How a run ended. Function and pc are of the part that ran. */
export type ReceiptStatus =
  | "finished"
  | {
      readonly trap: TrapCode;
      /** Immediate of the `trap` instruction; only for `Unreachable`. */
      readonly detail?: number;
      readonly function: number;
      readonly pc: number;
    };

/** A receipt in its JSON form: hashes and seeds in hexadecimal, gas in decimal strings. */
export interface Receipt {
  readonly moduleId: string;
  readonly entry: string;
  /** Which code ran: the entry's own, or that which aggregates its outputs. */
  readonly part: "inference" | "aggregation";
  readonly seed: string;
  readonly limits: {
    readonly gas: string;
    readonly memoryBytes: number;
    readonly stackDepth: number;
    readonly callDepth: number;
    readonly elements: number;
  };
  readonly inputHash: string;
  readonly status: ReceiptStatus;
  /** Only of finished runs. */
  readonly outputHash?: string;
  readonly gasUsed: string;
  readonly isaVersion: number;
  readonly gasVersion: number;
}

/** The JSON form of limits. */
export function receiptLimits(limits: Limits): Receipt["limits"] {
  return {
    gas: limits.gas.toString(),
    memoryBytes: limits.memoryBytes,
    stackDepth: limits.stackDepth,
    callDepth: limits.callDepth,
    elements: limits.elements,
  };
}

const utf8 = new TextEncoder();
const DOMAIN = utf8.encode("aivm:receipt:v1\0");

/**
 * The hash that stands for a receipt: SHA-256 of its fields in a fixed binary layout
 * (`spec/execution.md`), whatever order or spacing its JSON had.
 * @throws InputError `Receipt` when a field is not what a receipt has there
 */
export function receiptHash(receipt: Receipt): Uint8Array {
  const { limits, status } = receipt;
  const entry = utf8.encode(receipt.entry);
  const trapped = status !== "finished";
  return sha256(
    DOMAIN,
    hash32("moduleId", receipt.moduleId),
    uint("entry", entry.length, 4),
    entry,
    uint("part", ["inference", "aggregation"].indexOf(receipt.part), 1),
    hash32("seed", receipt.seed),
    uint("limits.gas", limits.gas, 8),
    uint("limits.memoryBytes", limits.memoryBytes, 8),
    uint("limits.stackDepth", limits.stackDepth, 8),
    uint("limits.callDepth", limits.callDepth, 8),
    uint("limits.elements", limits.elements, 8),
    hash32("inputHash", receipt.inputHash),
    uint("status", trapped ? TRAP_CODES[status.trap] : 0, 1),
    uint("status.detail", trapped ? (status.detail ?? 0) : 0, 4),
    uint("status.function", trapped ? status.function : 0, 4),
    uint("status.pc", trapped ? status.pc : 0, 4),
    trapped ? new Uint8Array(32) : hash32("outputHash", receipt.outputHash ?? ""),
    uint("gasUsed", receipt.gasUsed, 8),
    uint("isaVersion", receipt.isaVersion, 4),
    uint("gasVersion", receipt.gasVersion, 4),
  );
}

function hash32(name: string, hex: string): Uint8Array {
  const bytes = fromHex(hex, 32);
  if (bytes !== undefined) return bytes;
  throw new InputError(
    "Receipt",
    `${name} of the receipt is not 32 bytes in hexadecimal: "${hex}"`,
    {
      name,
    },
  );
}

/** Little-endian. */
function uint(
  name: string,
  value: number | string | undefined,
  lengthBytes: 1 | 4 | 8,
): Uint8Array {
  const valid = typeof value === "string" ? /^\d{1,20}$/.test(value) : Number.isSafeInteger(value);
  const integer = valid ? BigInt(value!) : -1n;
  if (integer < 0n || integer >= 1n << BigInt(8 * lengthBytes)) {
    throw new InputError(
      "Receipt",
      `${name} of the receipt is ${value}, not an unsigned integer of ${lengthBytes} bytes`,
      { name },
    );
  }
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, integer, true);
  return new Uint8Array(view.buffer, 0, lengthBytes);
}
