// The page in which browsers run the vectors, served on this machine.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PAGE = `<!doctype html><meta charset="utf-8"><title>AIVM conformance</title><script type="module">
globalThis.runJob = (job) => new Promise((resolve) => {
  const worker = new Worker("worker.js", { type: "module" });
  const end = (result) => { worker.terminate(); resolve(result); };
  worker.onmessage = ({ data }) => end(data);
  worker.onerror = ({ message }) => end({ error: message ?? "the worker did not start" });
  worker.postMessage(job);
});
</script>`;

/**
 * @param {string} groups file of the groups of vectors
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function serveSite(groups) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("inWorker.mjs", import.meta.url))],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
  });
  const worker = outputFiles[0].contents;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const found = {
      "/": "text/html",
      "/worker.js": "text/javascript",
      "/groups.json": "application/json",
    }[pathname];
    response.writeHead(found === undefined ? 404 : 200, {
      "content-type": found ?? "text/plain",
      // Without these a browser shares no memory between threads.
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    if (pathname === "/groups.json") createReadStream(groups).pipe(response);
    else response.end({ "/": PAGE, "/worker.js": worker }[pathname] ?? "not found");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
