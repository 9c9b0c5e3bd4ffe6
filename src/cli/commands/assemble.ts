import type { Command } from "commander";
import { MalformedError } from "../../core/errors.js";
import { readBytes, writeBytes } from "../files/binaryFile.js";
import { inFile } from "../files/inFile.js";
import { bytes } from "../format.js";
import type { Terminal } from "../terminal.js";

const EXAMPLES = `
The module is validated before it is written.

Examples:
  $ aivm assemble model.aivmt
  $ aivm assemble model.aivmt -o other.aivm`;

export function addAssemble(program: Command, terminal: Terminal): void {
  program
    .command("assemble")
    .description("make a module of text")
    .argument("<FILE.aivmt>", "the text")
    .option("-o, --output <OUT.aivm>", "module file (default: FILE.aivm)")
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: { readonly output?: string }) => {
      const output = flags.output ?? `${path.replace(/\.aivmt$/i, "")}.aivm`;
      const { parseAssembly } = await import("../../module/assemble.js");
      const { encodeModule } = await import("../../module/encode.js");
      const { linkParameters } = await import("../../module/link.js");
      const { moduleId } = await import("../../module/hash.js");
      const { toHex } = await import("../../module/hex.js");
      const { validateModule } = await import("../../module/validate.js");
      const text = decodeText(await readBytes(path), path);
      const module = inFile(path, () => {
        const parsed = parseAssembly(text);
        validateModule(parsed);
        // Data that travel apart are checked by whoever brings them.
        if (!parsed.parameterData.includes(undefined)) linkParameters(parsed);
        return parsed;
      });
      const encoded = encodeModule(module);
      await writeBytes(output, encoded);
      terminal.out(`${output}: module ${toHex(moduleId(module))}, ${bytes(encoded.length)}\n`);
    });
}

function decodeText(encoded: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(encoded);
  } catch (error) {
    throw new MalformedError("Syntax", `${path} is not UTF-8 text`, { name: path }, error);
  }
}
