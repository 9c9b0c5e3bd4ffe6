// The fuzzers are TypeScript beside the tests that share them; what they import of `src` is the
// built package, so that threads find their files and one compile serves both.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Bundles the worker.
 * @returns where it is
 */
export async function bundleWorker() {
  const outfile = `${root}dist/.fuzz/worker.mjs`;
  await build({
    absWorkingDir: root,
    entryPoints: ["test/support/fuzz/worker.ts"],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    sourcemap: "inline",
    logLevel: "warning",
    plugins: [
      {
        name: "src-is-dist",
        setup({ onResolve }) {
          onResolve({ filter: /\/src\/.*\.js$/ }, ({ path }) => ({
            path: `../${path.slice(path.lastIndexOf("/src/") + 5)}`,
            external: true,
          }));
        },
      },
    ],
  });
  return outfile;
}
