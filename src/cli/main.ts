/** The program `aivm`. */
import { readFileSync } from "node:fs";
import { runProgram } from "./program.js";
import { processTerminal } from "./terminal.js";

const manifest = new URL("../../package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
// A reader that has seen enough (`aivm disassemble | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await runProgram(process.argv.slice(2), processTerminal(), version);
