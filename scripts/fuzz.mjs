// Checks that no input makes engines differ, crash, hang or take too much, in numbers that CI has
// no time for: see USAGE. Workers are processes with a watchdog; what kills one is a find too.
import { fork } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleWorker } from "./fuzz/bundle.mjs";
import { summary } from "./fuzz/summary.mjs";

const USAGE = `usage: npm run fuzz -- programs|mutants|onnx [--count N] [--seed N] [--workers N]
                    [--case-seconds N] [--corpus DIR]
  programs  random valid programs on all engines
  mutants   modules with things changed and hashes repaired, on all engines
  onnx      ONNX models with bytes or things changed, compiled and run
Cases are numbered; case N is the same everywhere. --seed says the first (1), --count how many (until
interrupted), --workers how many processes (2), --case-seconds what one case may compute (60). Finds are
printed, and written to --corpus (test/corpus), which the tests replay. The exit code is 1 when there
is a find, 2 when there is nothing to do.`;

const root = fileURLToPath(new URL("..", import.meta.url));
const KINDS = ["programs", "mutants", "onnx"];
const MAX_FINDS = 20;
const TICK_MS = 1000;
/** How often longer than it may compute a case may take that is given no processor. */
const PATIENCE = 20;

const { kind, first, count, workers, caseMs, corpus } = readArguments();
const tally = new Map();
let [done, finds] = [0, 0];
const started = Date.now();
const worker = await bundleWorker();
const folder = join(tmpdir(), `aivm-fuzz-${process.pid}`);
mkdirSync(folder, { recursive: true });

let stopping = false;
const children = new Set();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, stop);

function stop() {
  stopping = true;
  for (const child of children) child.kill("SIGKILL");
}

/** Runs every `workers`th case from `seed` on, in processes one after the other if need be. */
async function runShare(seed, cases) {
  const at = join(folder, String(seed % workers));
  let [next, left] = [seed, cases];
  while (left > 0 && !stopping && finds < MAX_FINDS) {
    const end = await runWorker(next, left, at);
    const reached = end === undefined ? undefined : Number(readFileSync(at, "utf8"));
    if (reached === undefined || stopping) return;
    found(reached, end, {});
    // The cases between the last report and this one were checked, though not counted.
    left -= (reached - next) / workers + 1;
    next = reached + workers;
  }
}

/** One worker until it ends: undefined when it has done all, else why it did not. */
function runWorker(next, left, at) {
  writeFileSync(at, String(next));
  const task = { kind, first: next, stride: workers, count: left === Infinity ? null : left, at };
  const child = fork(worker, [JSON.stringify(task)], {
    cwd: root,
    execArgv: ["--max-old-space-size=1024"],
  });
  children.add(child);
  let [place, ticks, since, hung] = ["", 0, 0, false];
  // Ticks, not a clock, so that time in which all of this stood still does not count.
  const watchdog = setInterval(() => {
    const now = readFileSync(at, "utf8");
    const used = cpuMs(child.pid);
    if (now !== place) [place, ticks, since] = [now, 0, used];
    else if (++ticks * TICK_MS > caseMs && (used === undefined || used - since > caseMs))
      hung = true;
    // It waits for what never comes.
    else if (ticks * TICK_MS > PATIENCE * caseMs) hung = true;
    if (hung) child.kill("SIGKILL");
  }, TICK_MS);
  child.on("message", (report) => {
    if (report.find !== undefined) {
      found(report.find, report.text, report.files);
      if (finds >= MAX_FINDS) stop();
      return;
    }
    done += report.done;
    for (const [what, times] of report.tally) tally.set(what, (tally.get(what) ?? 0) + times);
    showProgress();
  });
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearInterval(watchdog);
      children.delete(child);
      if (code === 0) resolve(undefined);
      else
        resolve(hung ? `hung for ${caseMs / 1000} s` : `crashed: ${signal ?? `exit code ${code}`}`);
    });
  });
}

/** Processor time that a process has had, where the system says that: a busy machine is no hang. */
function cpuMs(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields 14 and 15, in hundredths of a second; field 2, the name, may hold spaces.
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13);
    return (Number(user) + Number(system)) * 10;
  } catch {
    return undefined;
  }
}

function found(seed, text, files) {
  finds++;
  console.error(`\n${kind} case ${seed}: ${text}`);
  if (Object.keys(files).length === 0) return;
  const parent = join(corpus, kind);
  mkdirSync(parent, { recursive: true });
  for (const [suffix, base64] of Object.entries(files)) {
    writeFileSync(join(parent, `${seed}${suffix}`), Buffer.from(base64, "base64"));
  }
  console.error(`written to ${join(parent, String(seed))}.*`);
}

let shown = 0;
function showProgress() {
  const interval = process.stderr.isTTY ? 1000 : 30_000;
  if (Date.now() - shown < interval) return;
  shown = Date.now();
  const seconds = (Date.now() - started) / 1000;
  const line = `${done} ${kind}, ${Math.round(done / seconds)} a second, ${finds} finds`;
  process.stderr.write(process.stderr.isTTY ? `\r${line} ` : `${line}\n`);
}

function readArguments() {
  const natural = (text, fallback) => {
    const value = text === undefined ? fallback : Number(text);
    if (value === Infinity || (Number.isSafeInteger(value) && value > 0)) return value;
    console.error(USAGE);
    process.exit(2);
  };
  try {
    const string = { type: "string" };
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        count: string,
        seed: string,
        workers: string,
        "case-seconds": string,
        corpus: string,
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const [kind] = positionals;
    if (positionals.length === 1 && KINDS.includes(kind)) {
      return {
        kind,
        first: natural(values.seed, 1),
        count: natural(values.count, Infinity),
        workers: natural(values.workers, 2),
        caseMs: natural(values["case-seconds"], 60) * 1000,
        corpus: values.corpus ?? join(root, "test/corpus"),
      };
    }
  } catch {
    // Told below, like every other mistake.
  }
  console.error(USAGE);
  process.exit(2);
}

const shares = Array.from({ length: Math.min(workers, count) }, (_, i) =>
  runShare(first + i, count === Infinity ? Infinity : Math.ceil((count - i) / workers)),
);
await Promise.all(shares);
rmSync(folder, { recursive: true, force: true });
console.log(
  await summary({ kind, first, done, finds, seconds: (Date.now() - started) / 1000, tally }),
);
process.exit(finds > 0 ? 1 : 0);
