// Bundles the page and serves it on this machine: `node examples/browser/serve.mjs [PORT]`
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { compileDigits } from "../compileDigits.mjs";

const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const { outputFiles } = await build({
  entryPoints: { page: here("page.mjs"), worker: here("worker.mjs") },
  bundle: true,
  minify: true,
  format: "esm",
  write: false,
  outdir: here("."),
});
const files = new Map([
  ["/", ["text/html", readFileSync(here("index.html"))]],
  ["/digits.aivm", ["application/octet-stream", await compileDigits()]],
  ...outputFiles.map(({ path, contents }) => [
    `/${path.split(/[/\\]/).at(-1)}`,
    ["text/javascript", contents],
  ]),
]);

const server = createServer((request, response) => {
  const [type, body] = files.get(new URL(request.url, "http://localhost").pathname) ?? [];
  response.writeHead(body === undefined ? 404 : 200, {
    "content-type": type ?? "text/plain",
    // Without these a browser shares no memory between threads.
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  });
  response.end(body ?? "not found");
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
