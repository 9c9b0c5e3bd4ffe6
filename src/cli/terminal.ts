/** Where a command writes: results to `out`, all else to `err`. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Whether the two may carry colours. */
  readonly outColor: boolean;
  readonly errColor: boolean;
  /** Whether somebody watches `err`: progress is worth drawing. */
  readonly interactive: boolean;
  /** Whether errors are shown with their stack. */
  readonly debug: boolean;
}

/** The terminal of this process. Colour honours NO_COLOR (no-color.org) and needs a terminal. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const color = (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    outColor: color && stdout.isTTY,
    errColor: color && stderr.isTTY,
    interactive: stderr.isTTY && env["TERM"] !== "dumb",
    debug: (env["AIVM_DEBUG"] ?? "") !== "",
  };
}

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** `text` in a style, where colours are allowed. */
export function paint(style: keyof typeof CODES, text: string, color: boolean): string {
  return color ? `\u001b[${String(CODES[style])}m${text}\u001b[0m` : text;
}

/**
 * Text that may hold names out of files, safe to show: control characters (line breaks and our own
 * styles excepted) and marks that reverse the writing direction become visible escapes.
 */
export function printable(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex -- they are what is looked for
    /(\u001b\[\d{1,2}m)|[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (found, style?: string) => style ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What the user should know though the work is done. */
export function warn(terminal: Terminal, text: string): void {
  terminal.err(`${paint("yellow", "warning:", terminal.errColor)} ${printable(text)}\n`);
}

/** What went wrong, on one line. */
export function fail(terminal: Terminal, text: string): void {
  terminal.err(`${paint("red", "error:", terminal.errColor)} ${printable(text)}\n`);
}
