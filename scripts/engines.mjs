// JavaScript engines other than the one that runs this, where npm has a binary of them: Bun from
// this project's packages, other Nodes from a cache folder of the user.
//   node scripts/engines.mjs node24    prints where Node 24 is, which it installs where it is missing
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The newer Node that everything must hold on, too. */
export const NODE24_VERSION = "24.21.0";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * What an engine says that it is, such as `Node 24.21.0`; undefined where the binary does not run here.
 * @param {string} path
 * @param {readonly string[]} [through] the program, and its arguments, that runs binaries of another machine
 */
export function nameOf(path, through = []) {
  const code =
    "console.log(process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`)";
  const [program, ...args] = [...through, path, "-e", code];
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/** The binary comes in a package of the platform; Bun's install script, where it may run, moves it. */
export function findBun() {
  const scope = join(root, "node_modules/@oven");
  const packages = existsSync(scope) ? readdirSync(scope) : [];
  const places = packages.flatMap((name) => [`@oven/${name}/bin/bun`, `@oven/${name}/bin/bun.exe`]);
  return [...places, "bun/bin/bun.exe"]
    .map((place) => join(root, "node_modules", place))
    .find((path) => existsSync(path) && nameOf(path)?.startsWith("Bun"));
}

/**
 * The binary of a Node, which npm installs into the user's cache unless it is there.
 * @param {string} version
 * @param {string} [platform] as in `linux-arm64`; that of this machine unless said
 * @param {readonly string[]} [through] what runs binaries of that platform here
 * @returns {string}
 */
export function installNode(
  version,
  platform = `${process.platform}-${process.arch}`,
  through = [],
) {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = join(cache, "aivm", `node-${version}`);
  const name = process.platform === "win32" ? "node.exe" : "node";
  // The platform's own package rather than `node`: the binary is in it, so no install script runs.
  const path = join(folder, "node_modules", `node-${platform}`, "bin", name);
  if (existsSync(path) && nameOf(path, through) === `Node ${version}`) return path;
  mkdirSync(folder, { recursive: true });
  // Forced, as npm refuses packages of other platforms.
  const flags = ["--force", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
  const wanted = `node-${platform}@${version}`;
  execFileSync("npm", ["install", "--prefix", folder, ...flags, wanted], {
    stdio: ["ignore", "ignore", "pipe"],
    shell: process.platform === "win32",
  });
  return path;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  if (process.argv[2] !== "node24") {
    console.error("usage: node scripts/engines.mjs node24");
    process.exit(2);
  }
  console.log(installNode(NODE24_VERSION));
}
