import { MalformedError } from "../core/errors.js";
import type { Dtype } from "../core/dtype.js";
import { DTYPES } from "../core/dtype.js";

type Kind = "word" | "integer" | "string" | "mark";

interface Token {
  readonly kind: Kind;
  readonly text: string;
  /** 1 for the first character of the line. */
  readonly column: number;
}

const SPACE = /[ \t]*(?:#.*)?/y;
const TOKENS: readonly (readonly [Kind, RegExp])[] = [
  ["word", /[A-Za-z_][\w.]*/y],
  ["integer", /-?\d+/y],
  ["mark", /->|[()[\],=:*+/]/y],
];
/** Longer than any integer of 64 bits. */
const MAX_DIGITS = 20;

/** The tokens of one line, read from left to right; every complaint has a line and a column. */
export class Line {
  readonly #number: number;
  readonly #tokens: readonly Token[];
  readonly #endColumn: number;
  #next = 0;

  /** @param number of the line, from 1 */
  constructor(text: string, number: number) {
    this.#number = number;
    this.#endColumn = text.length + 1;
    this.#tokens = this.#tokenize(text);
  }

  #tokenize(text: string): readonly Token[] {
    const tokens: Token[] = [];
    let at = skip(text, 0);
    while (at < text.length) {
      const token = tokenAt(text, at);
      if (token === undefined) {
        return this.#complain(`unexpected ${JSON.stringify(text.slice(at, at + 16))}`, at + 1);
      }
      tokens.push(token);
      at = skip(text, at + token.text.length);
    }
    return tokens;
  }

  get empty(): boolean {
    return this.#next === this.#tokens.length;
  }

  /** Whether the next token is that mark or word. */
  peek(text: string): boolean {
    const token = this.#tokens[this.#next];
    return token !== undefined && token.kind !== "string" && token.text === text;
  }

  peekInteger(): boolean {
    return this.#tokens[this.#next]?.kind === "integer";
  }

  /** Reads that mark or word if it is next. */
  take(text: string): boolean {
    const there = this.peek(text);
    if (there) this.#next++;
    return there;
  }

  expect(text: string): void {
    if (!this.take(text)) this.fail(`expected ${JSON.stringify(text)}`);
  }

  word(what: string): string {
    return this.#read("word", what).text;
  }

  string(what: string): string {
    const { text, column } = this.#read("string", what);
    try {
      return JSON.parse(text) as string;
    } catch {
      return this.#complain(`${what}: ${text.slice(0, 40)} is not a JSON string`, column);
    }
  }

  bigint(what: string): bigint {
    const { text, column } = this.#read("integer", what);
    if (text.length > MAX_DIGITS) return this.#complain(`${what} has too many digits`, column);
    return BigInt(text);
  }

  integer(what: string): number {
    const value = Number(this.bigint(what));
    if (!Number.isSafeInteger(value)) this.back().fail(`${what} is ${value}, which is too large`);
    return value;
  }

  dtype(what: string): Dtype {
    const word = this.word(what);
    const dtype = DTYPES.find((name) => name === word);
    if (dtype === undefined) {
      return this.back().fail(`${what} is ${word}; it can be ${DTYPES.join(", ")}`);
    }
    return dtype;
  }

  /** `open item, item, … close` */
  list<T>(open: string, close: string, item: () => T): T[] {
    this.expect(open);
    const items: T[] = [];
    if (this.take(close)) return items;
    do items.push(item());
    while (this.take(","));
    this.expect(close);
    return items;
  }

  /** `name=` */
  key(name: string): void {
    this.expect(name);
    this.expect("=");
  }

  end(): void {
    if (!this.empty) this.fail("expected the end of the line");
  }

  /** Steps back to the token that was read last, so that a complaint points at it. */
  back(): this {
    this.#next--;
    return this;
  }

  /** Complains about the next token. */
  fail(message: string): never {
    const token = this.#tokens[this.#next];
    const found =
      token === undefined ? "the end of the line" : JSON.stringify(token.text.slice(0, 40));
    return this.#complain(`${message}, at ${found}`, token?.column ?? this.#endColumn);
  }

  #read(kind: Kind, what: string): Token {
    const token = this.#tokens[this.#next];
    if (token?.kind !== kind)
      return this.fail(`expected ${what}, ${kind === "integer" ? "an" : "a"} ${kind}`);
    this.#next++;
    return token;
  }

  #complain(message: string, column: number): never {
    throw new MalformedError("Syntax", `line ${this.#number}:${column}: ${message}`);
  }
}

function skip(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function tokenAt(text: string, at: number): Token | undefined {
  if (text[at] === '"') {
    const end = stringEnd(text, at);
    return end < 0 ? undefined : { kind: "string", text: text.slice(at, end), column: at + 1 };
  }
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at;
    if (pattern.test(text))
      return { kind, text: text.slice(at, pattern.lastIndex), column: at + 1 };
  }
  return undefined;
}

/** Where the string that begins at `at` ends; −1 where it does not. No expression: they backtrack. */
function stringEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '"') return i + 1;
    if (text[i] === "\\") i++;
  }
  return -1;
}
