// Embeds the VM: bytes of a module and reals in, reals and a receipt out. `node examples/embed.mjs`
import { readFile } from "node:fs/promises";
import { instantiate, receiptHash } from "aivm";
import { encodeModule, parseAssembly } from "aivm/module";

// A node would have the bytes from `aivm compile` or from a peer; these are of a layer in text.
const text = await readFile(new URL("embed.aivmt", import.meta.url), "utf8");
const bytes = encodeModule(parseAssembly(text));

const instance = await instantiate(bytes); // decoded, validated, linked; on the simd engine
const { receipt, outputs, trap } = await instance.run({
  inputs: { x: { reals: [1, 2, 3, -1, 0.5, 0], dims: [2, 3] } },
  gas: 1_000_000_000n, // about a millisecond
  limits: { memoryBytes: 2 ** 20 },
  signal: AbortSignal.timeout(10_000),
});
console.log(trap?.message ?? outputs?.y?.reals());
console.log(receipt);
console.log("receipt hash", Buffer.from(receiptHash(receipt)).toString("hex"));
instance.dispose();
