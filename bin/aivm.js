#!/usr/bin/env node
// Checked in and executable, because npm links it before `dist` exists and a rebuild would lose
// the mode bits of a generated file.
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  console.error("aivm is not built: run `npm ci` (or `npm run build`) in the project's folder.");
  process.exitCode = 1;
}
