// The engines of the matrix: which there are, and how each is made to do a job.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BROWSERS_WANTED, findBrowsers } from "../browsers.mjs";
import { findBun, installNode, NODE24_VERSION } from "../engines.mjs";
import { serveSite } from "./site.mjs";

/** A Node 20: the oldest that must work. */
const ARM64_VERSION = "20.20.2";
const ARM64_LIBRARIES = "/usr/aarch64-linux-gnu";
const ARM64_WANTED =
  "Debian's qemu-user, libc6-arm64-cross, libstdc++6-arm64-cross, libgcc-s1-arm64-cross and libatomic1-arm64-cross";

const TIMEOUT_MS = 15 * 60_000;
const inProcess = fileURLToPath(new URL("inProcess.mjs", import.meta.url));

/** @typedef {import("./runGroups.mjs").Job} Job */

/**
 * @typedef {object} Platform
 * @property {string} name as in `--only`
 * @property {Job[]} jobs
 * @property {() => Promise<Host | string>} open the host, or why there is none and how to get it
 *
 * @typedef {object} Host
 * @property {string} version of the engine, in words
 * @property {(job: Job) => Promise<object>} run
 * @property {() => Promise<void>} [close]
 */

const SIMD = /** @type {const} */ ({ backend: "simd", threads: 1 });
const TWO_THREADS = /** @type {const} */ ({ backend: "simd", threads: 2 });
const REFERENCE = /** @type {const} */ ({ backend: "reference", threads: 1 });

/** Names of the platforms. */
export const PLATFORMS = platforms("").map(({ name }) => name);

/**
 * @param {string} groups file of the groups of vectors
 * @returns {Platform[]}
 */
export function platforms(groups) {
  return [
    {
      name: "node",
      jobs: [SIMD, TWO_THREADS, REFERENCE],
      open: async () => processHost([process.execPath], groups),
    },
    {
      name: "node24",
      jobs: [SIMD, TWO_THREADS],
      open: async () => {
        try {
          return processHost([installNode(NODE24_VERSION)], groups);
        } catch (error) {
          return `npm could not install it: ${error.message}`;
        }
      },
    },
    {
      name: "bun",
      jobs: [SIMD, TWO_THREADS],
      open: async () => {
        const bun = findBun();
        if (bun !== undefined) return processHost([bun], groups);
        return `npm has no Bun that runs on ${process.platform}-${process.arch}, or did not install it (npm ci)`;
      },
    },
    ...BROWSERS_WANTED.map((wanted) => ({
      name: wanted.slice(0, wanted.indexOf(" ")),
      jobs: [SIMD, TWO_THREADS],
      open: () => browserHost(wanted, groups),
    })),
    { name: "arm64", jobs: [SIMD], open: () => arm64Host(groups) },
  ];
}

/** What a host says of itself, in JavaScript that any process understands. */
const VERSION = `const { versions: v, arch } = process;
console.log(v.bun ? "Bun " + v.bun + " " + arch : "Node " + v.node + " " + arch + ", V8 " + v.v8.split("-")[0])`;

/**
 * @param {string[]} command that runs a script
 * @param {string} groups
 * @returns {Host}
 */
function processHost([program, ...args], groups) {
  const version = execFileSync(program, [...args, "-e", VERSION], { encoding: "utf8" }).trim();
  return {
    version,
    async run(job) {
      const { stdout } = await promisify(execFile)(
        program,
        [...args, inProcess, groups, JSON.stringify(job)],
        { timeout: TIMEOUT_MS, maxBuffer: 2 ** 24 },
      );
      return JSON.parse(stdout);
    },
  };
}

/** @returns {Promise<Host | string>} */
async function arm64Host(groups) {
  const qemu = "qemu-aarch64";
  const through = [qemu, "-L", ARM64_LIBRARIES];
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `it is emulated on linux-x64 only; this is ${process.platform}-${process.arch}`;
  }
  if (spawnSync(qemu, ["--version"]).status !== 0 || !existsSync(`${ARM64_LIBRARIES}/lib`)) {
    return `it wants ${ARM64_WANTED}`;
  }
  try {
    const host = processHost(
      [...through, installNode(ARM64_VERSION, "linux-arm64", through)],
      groups,
    );
    return { ...host, version: `${host.version}, qemu-user` };
  } catch (error) {
    return `npm could not install it, or it does not start: ${error.message}`;
  }
}

/** @returns {Promise<Host | string>} */
async function browserHost(wanted, groups) {
  const found = findBrowsers().find(({ name }) => wanted.startsWith(name));
  if (found === undefined) return `there is no ${wanted}`;
  const site = await serveSite(groups);
  try {
    const browser = await found.launch();
    return {
      version: `${found.name} ${browser.version()}`,
      async run(job) {
        const page = await browser.newPage();
        page.setDefaultTimeout(TIMEOUT_MS);
        try {
          await page.goto(site.url);
          const result = await page.evaluate(`runJob(${JSON.stringify(job)})`);
          return /** @type {object} */ (result);
        } finally {
          await page.close();
        }
      },
      async close() {
        await browser.close();
        site.close();
      },
    };
  } catch (error) {
    site.close();
    throw error;
  }
}
