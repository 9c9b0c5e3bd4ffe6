/** Numbers and tables for people. */
import { printable } from "./terminal.js";

/** `1,234,567` */
export function grouped(value: number | bigint | string): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** `1 sample`, `2 samples` */
export function counted(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`;
}

/** `1.5 MB`, in decimal units. */
export function bytes(count: number): string {
  if (count < 1000) return `${String(count)} B`;
  const [divisor, unit] = count < 1e6 ? [1e3, "kB"] : count < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${(count / divisor).toFixed(1)} ${unit}`;
}

/** `12.3 ms` or `1.23 s` */
export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Rows under each other in columns; the last one is not padded. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map((cell) => printable(cell).replaceAll("\n", "\\n")));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  }
  return rows
    .map((row) =>
      row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

/** JSON for machines: two spaces, big integers in decimal strings. */
export function json(value: unknown): string {
  const replace = (_: string, v: unknown): unknown => (typeof v === "bigint" ? v.toString() : v);
  return `${JSON.stringify(value, replace, 2)}\n`;
}
