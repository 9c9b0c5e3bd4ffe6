/** The command line as a function: arguments in, exit code out. */
import { Command, CommanderError } from "commander";
import { AivmError } from "../core/errors.js";
import { addAssemble } from "./commands/assemble.js";
import { addCalibrate } from "./commands/calibrate.js";
import { addCompare } from "./commands/compare.js";
import { addCompile } from "./commands/compile.js";
import { addConformance } from "./commands/conformance.js";
import { addDisassemble } from "./commands/disassemble.js";
import { addInspect } from "./commands/inspect.js";
import type { Outcome } from "./commands/run.js";
import { addRun } from "./commands/run.js";
import type { Terminal } from "./terminal.js";
import { fail } from "./terminal.js";

const OK = 0;
const FAILURE = 1;
const USAGE = 2;

const EXAMPLES = `
Examples:
  $ aivm compile model.onnx --samples images/
  $ aivm run model.aivm --input image=digit.npy
  $ aivm <command> --help

Exit codes: 0 done, 1 failed, 2 wrong usage. AIVM_DEBUG=1 shows the stack of an error.`;

/** `--input` and `--samples` take every word up to the next option. */
const ORDER =
  "Files of the command go before --input and --samples, which take all that follows.\n";

/**
 * Runs the command that the arguments name.
 * @param args without the names of node and of the script
 * @returns the exit code: 0 done, 1 failure, 2 usage
 */
export async function runProgram(
  args: readonly string[],
  terminal: Terminal,
  version: string,
): Promise<number> {
  const outcome: Outcome = { failed: false };
  const program = new Command("aivm")
    .description(
      "Compiles ONNX models to fixed-point bytecode and runs it, bit-identical everywhere.",
    )
    .version(version)
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError("Try `aivm --help`, or `aivm <command> --help`.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHasColors: () => terminal.outColor,
      getErrHasColors: () => terminal.errColor,
    });
  addCalibrate(program, terminal);
  addCompile(program, terminal);
  addRun(program, terminal, outcome);
  addCompare(program, terminal);
  addInspect(program, terminal);
  addDisassemble(program, terminal);
  addAssemble(program, terminal);
  addConformance(program, terminal, outcome);
  for (const command of program.commands) {
    command.showHelpAfterError(`Try \`aivm ${command.name()} --help\`.`);
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return outcome.failed ? FAILURE : OK;
  } catch (error) {
    // Commander has already said what is wrong; help that was asked for is no error.
    if (error instanceof CommanderError) {
      if (error.code === "commander.missingArgument" && args.length > 1) terminal.err(ORDER);
      return error.exitCode === 0 ? OK : USAGE;
    }
    return report(error, terminal);
  }
}

function report(error: unknown, terminal: Terminal): number {
  if (error instanceof AivmError) fail(terminal, error.message);
  else {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    fail(terminal, `${what}; this is a bug in AIVM, please report it (AIVM_DEBUG=1 shows where)`);
  }
  if (terminal.debug && error instanceof Error) terminal.err(`${error.stack ?? ""}\n`);
  return error instanceof AivmError && error.code === "BadInputArgument" ? USAGE : FAILURE;
}
