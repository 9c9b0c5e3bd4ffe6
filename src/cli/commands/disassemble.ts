import type { Command } from "commander";
import { readBytes, writeBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import type { Terminal } from "../terminal.js";

const EXAMPLES = `
The text holds the whole module, parameters included; \`aivm assemble\` makes the same bytes of it.

Examples:
  $ aivm disassemble model.aivm | less
  $ aivm disassemble model.aivm -o model.aivmt`;

export function addDisassemble(program: Command, terminal: Terminal): void {
  program
    .command("disassemble")
    .description("write a module as text")
    .argument("<MODULE.aivm>", "the module")
    .option("-o, --output <FILE.aivmt>", "text file (default: standard output)")
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, { output }: { readonly output?: string }) => {
      const { decodeModule } = await import("../../module/decode.js");
      const { formatAssembly } = await import("../../module/disassemble.js");
      const file = await readBytes(path);
      const text = formatAssembly(inFile(path, () => decodeModule(file)));
      if (output === undefined) terminal.out(text);
      else await writeBytes(output, text);
    });
}
