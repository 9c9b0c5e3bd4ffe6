import { runProgram } from "../../src/cli/program.js";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line in this process, as if nobody watched, and keeps what it wrote. */
export async function aivm(...args: string[]): Promise<Ended> {
  let out = "";
  let err = "";
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    outColor: false,
    errColor: false,
    interactive: false,
    debug: false,
  };
  const code = await runProgram(args, terminal, "1.2.3");
  return { code, out, err };
}
