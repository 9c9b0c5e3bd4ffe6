// An engine of the matrix that is a process (Node, Bun): what scripts/conformance-matrix.mjs starts.
//   inProcess.mjs GROUPS.json '{"backend":"simd","threads":1}'
import { readFileSync, writeSync } from "node:fs";
import { runGroups } from "./runGroups.mjs";

const [groups, job] = process.argv.slice(2);
const result = await runGroups(JSON.parse(readFileSync(groups, "utf8")), JSON.parse(job));
writeSync(1, `${JSON.stringify(result)}\n`);
