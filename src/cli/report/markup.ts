/** Text and numbers in HTML. */
import { printable } from "../terminal.js";

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text out of a model, safe in elements and in quoted attributes; control characters are shown. */
export function escaped(text: string): string {
  return printable(text.replaceAll("\u001b", "\\u001b")).replace(/[&<>"']/g, (c) => ESCAPES[c]!);
}

/** A name of the model as an element: it may break after its parts, and keeps its own direction. */
export function named(text: string): string {
  return `<bdi>${escaped(text).replace(/(?<=[\w)])[/._:]+(?=\w)/g, "$&<wbr>")}</bdi>`;
}

/** Signal to noise in dB; `exact` where nothing differs, a dash where it was not measured. */
export function decibels(db: number | undefined): string {
  if (db === undefined || Number.isNaN(db)) return "–";
  if (db >= EXACT_DB) return "exact";
  const text = db.toFixed(1);
  return text === "-0.0" ? "0.0" : signed(text);
}

/** What a comparison gives for equal values. */
export const EXACT_DB = 300;

/** A real number in few characters. */
export function real(x: number | undefined): string {
  if (x === undefined || Number.isNaN(x)) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size === Infinity) return x > 0 ? "∞" : "−∞";
  const text = size >= 1e5 || size < 1e-3 ? x.toExponential(2) : trimmed(x.toPrecision(4));
  return signed(text.replace("e+", "e"));
}

const trimmed = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const signed = (text: string): string => text.replace(/-/g, "−");

export function interval([lo, hi]: readonly [number, number]): string {
  return `${real(lo)} … ${real(hi)}`;
}

const PREFIXES = ["", "k", "M", "G", "T", "P"];

/** `12.3 M`: a count that may be large. */
export function short(count: number | bigint): string {
  let x = Number(count);
  let prefix = 0;
  while (Math.abs(x) >= 999.5 && prefix < PREFIXES.length - 1) {
    x /= 1000;
    prefix++;
  }
  if (prefix === 0) return String(x);
  return `${x < 10 ? x.toFixed(2) : x < 100 ? x.toFixed(1) : x.toFixed(0)} ${PREFIXES[prefix]!}`;
}

/** A share of a whole: `0.012 %`. */
export function percent(share: number): string {
  if (share === 0) return "0 %";
  return `${real(Number((100 * share).toPrecision(2)))} %`;
}
