/** What all fuzzers share: cases by seed, counts of what was seen, finds. */

/** How often each thing was seen, by name: `end finished`, `ran add i16`. */
export type Tally = Map<string, number>;

export function count(tally: Tally, what: string, times = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + times);
}

/** What it takes to see a find again. */
export interface Evidence {
  /** Files of the corpus, by what follows their name. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
}

/** Checks cases; each is a pure function of its seed. */
export interface Fuzzer {
  /** @throws whatever no case may cause */
  check(seed: number, tally: Tally): void;
  /** The case, which failed, made smaller where that is known how. */
  evidence(seed: number): Evidence;
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error.stack ?? `${error.name}: ${error.message}`).split("\n", 14).join("\n");
}
