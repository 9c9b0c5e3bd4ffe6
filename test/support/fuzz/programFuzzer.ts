import { AivmError } from "../../../src/core/errors.js";
import { encodeModule } from "../../../src/module/encode.js";
import { integersOf } from "../../../src/vm/rawTensor.js";
import type { RandomProgram } from "../programs/randomProgram.js";
import { randomProgram } from "../programs/randomProgram.js";
import { SeededRandom } from "../seededRandom.js";
import type { Inputs } from "./agreement.js";
import { agree } from "./agreement.js";
import type { Engines } from "./engines.js";
import type { Fuzzer, Tally } from "./fuzzer.js";
import { count } from "./fuzzer.js";
import { moduleEvidence } from "./shrink.js";

const MAX_LENGTH = 24;

/** A program that its maker took for valid and that was refused. */
class RefusedProgram extends AivmError {
  constructor(end: string) {
    super("Refused", `a program that should be valid ended in ${end}`);
  }
}

/** Random valid programs, most of which finish. */
export function programFuzzer(engines: Engines): Fuzzer {
  const check = (program: RandomProgram, seed: number, tally: Tally): void => {
    const bytes = encodeModule(program.module);
    const { stage, kind } = agree(bytes, inputsOf(program), engines, { seed }, tally);
    count(tally, `stage ${stage}`);
    count(tally, `end ${kind}`);
    if (stage !== "run") throw new RefusedProgram(kind);
  };
  return {
    check: (seed, tally) => check(programOf(seed), seed, tally),
    evidence(seed) {
      const { module, inputs } = shortest(seed, check);
      return moduleEvidence({ module, inputs: inputsOf({ module, inputs }) }, engines, { seed });
    },
  };
}

function programOf(seed: number, length = lengthOf(seed)): RandomProgram {
  return randomProgram(new SeededRandom(seed), length);
}

function lengthOf(seed: number): number {
  return new SeededRandom(seed).int(1, MAX_LENGTH);
}

/** The shortest program of a seed that still fails: shorter ones of the same seed begin alike. */
function shortest(
  seed: number,
  check: (program: RandomProgram, seed: number, tally: Tally) => void,
): RandomProgram {
  for (let length = 0; length < lengthOf(seed); length++) {
    const program = programOf(seed, length);
    try {
      check(program, seed, new Map());
    } catch {
      return program;
    }
  }
  return programOf(seed);
}

function inputsOf({ inputs }: RandomProgram): Inputs {
  return Object.fromEntries(
    inputs.map((input, i) => [`x${i}`, { integers: integersOf(input), dims: input.shape }]),
  );
}
