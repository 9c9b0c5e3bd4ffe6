// Compiles the SIMD kernels and embeds them as base64, so that Node and browsers load them alike.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const ENTRY = "src/tensor/simd/assembly/index.ts";
const OUT = "src/tensor/simd/generated/kernels.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
if (!existsSync(ENTRY)) {
  console.error(`${ENTRY} does not exist: no kernels to compile.`);
} else {
  let wasm;
  const options = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--importMemory"];
  const { error, stderr } = await asc.main([ENTRY, ...options, "--outFile", "kernels.wasm"], {
    writeFile: (name, contents) => {
      if (name.endsWith(".wasm")) wasm = contents;
    },
  });
  if (error || !wasm) {
    console.error(stderr.toString());
    process.exitCode = 1;
  } else {
    mkdirSync("src/tensor/simd/generated", { recursive: true });
    const base64 = Buffer.from(wasm).toString("base64");
    writeFileSync(
      OUT,
      `/** ${ENTRY}, compiled. */\nexport const KERNELS_BASE64 =\n  "${base64}";\n`,
    );
  }
}
