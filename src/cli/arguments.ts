/** Parsers of option values; what they refuse is a usage error. */
import { InvalidArgumentError, Option } from "commander";

/** `--json`, which commands with results have. */
export function jsonOption(): Option {
  return new Option("--json", "print the result as JSON");
}

/** `--dim NAME=N`, which may be repeated. */
export function dimOption(of = "the model"): Option {
  return new Option(
    "--dim <NAME=N>",
    `size of an open dimension of ${of}; may be repeated`,
  ).argParser((text: string, previous: Record<string, number> | undefined) => {
    const at = text.lastIndexOf("=");
    const size = /^\d{1,9}$/.test(text.slice(at + 1)) ? Number(text.slice(at + 1)) : 0;
    if (at < 1 || size < 1)
      throw new InvalidArgumentError("Give NAME=N with N from 1, as in batch=1.");
    return { ...previous, [text.slice(0, at)]: size };
  });
}

/** `--state OUT=IN`, which may be repeated. */
export function stateOption(): Option {
  return new Option(
    "--state <OUT=IN>",
    "an output that is fed into an input of the next run, OUT= for none; may be repeated",
  ).argParser((text: string, previous: Record<string, string> | undefined) => {
    const at = text.indexOf("=");
    if (at < 1) throw new InvalidArgumentError("Give OUT=IN, as in stateN=state.");
    return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
  });
}

/** A gas limit: an unsigned 64-bit integer, separators allowed. */
export function parseGas(text: string): bigint {
  const digits = text.replace(/[_,]/g, "");
  const gas = /^\d{1,20}$/.test(digits) ? BigInt(digits) : 1n << 64n;
  if (gas >= 1n << 64n) throw new InvalidArgumentError("Give an integer from 0 to 2^64 − 1.");
  return gas;
}

/** A seed of 32 bytes. */
export function parseSeed(text: string): string {
  const hex = text.replace(/^0x/i, "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new InvalidArgumentError("Give 64 hexadecimal digits (32 bytes).");
  return hex;
}

/** A number of threads. */
export function parseThreads(text: string): number {
  const threads = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (threads < 1) throw new InvalidArgumentError("Give a whole number from 1 to 99.");
  return threads;
}
