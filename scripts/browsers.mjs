// Browsers of this machine, driven by playwright-core, which brings none of its own.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, firefox } from "playwright-core";

/**
 * @typedef {object} Browser
 * @property {"chromium" | "firefox"} name
 * @property {string} path of the program
 * @property {() => Promise<import("playwright-core").Browser>} launch
 */

const KINDS = /** @type {const} */ ([
  {
    name: "chromium",
    variable: "AIVM_CHROMIUM",
    programs: ["chromium", "chromium-browser", "google-chrome"],
    // The sandbox wants a user other than root, and these pages are ours.
    launch: (/** @type {string} */ executablePath) =>
      chromium.launch({ executablePath, args: ["--no-sandbox"] }),
  },
  {
    name: "firefox",
    variable: "AIVM_FIREFOX",
    programs: ["firefox-esr", "firefox"],
    // Without the channel, playwright wants a Firefox that it patched itself.
    launch: (/** @type {string} */ executablePath) =>
      firefox.launch({ channel: "moz-firefox", executablePath }),
  },
]);

/** What `findBrowsers` looks for, in words. */
export const BROWSERS_WANTED = KINDS.map(
  ({ name, variable, programs }) => `${name} (${programs.join(", ")} on the path, or ${variable})`,
);

/**
 * Those of Chromium and Firefox that are installed.
 * @returns {Browser[]}
 */
export function findBrowsers() {
  return KINDS.flatMap(({ name, variable, programs, launch }) => {
    const path = process.env[variable] ?? onPath(programs);
    return path === undefined ? [] : [{ name, path, launch: () => launch(path) }];
  });
}

function onPath(/** @type {readonly string[]} */ programs) {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return programs
    .flatMap((program) => folders.map((folder) => join(folder, program)))
    .find(isProgram);
}

function isProgram(/** @type {string} */ path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
