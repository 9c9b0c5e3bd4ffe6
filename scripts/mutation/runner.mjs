// How Stryker runs the tests: in its own process, without a test worker for each mutant. Vitest
// takes 0.6 to 9 s a mutant, nearly all of it for workers and for loading modules again; this takes
// some hundredths. Each test file is bundled with the sources once, compiled once, and evaluated
// anew for each mutant, so that no mutant finds what another has left in a module.
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Script, constants } from "node:vm";
import { INSTRUMENTER_CONSTANTS as NAMES } from "@stryker-mutator/api/core";
import { PluginKind, declareClassPlugin } from "@stryker-mutator/api/plugin";
import {
  DryRunStatus,
  MutantRunStatus,
  TestStatus,
  determineHitLimitReached,
  toMutantRunResult,
} from "@stryker-mutator/api/test-runner";
import { startTests } from "@vitest/runner";
import { build } from "esbuild";
import fastCheck from "fast-check";
import * as vitest from "vitest";

// The tests of what is changed; of engines, only those that run on `reference`.
const FOLDERS = ["test/core", "test/opcodes", "test/module", "test/vm", "test/mutation"];
const FILES = ["test/tensor/reference.test.ts"];

// A mutant is put to the quickest of the tests that pass it, as many as take this long together.
// What others would find counts as survived, so that the score is a lower bound. A survivor in
// `core` would take half a minute else. Processor time of the first run: a busy machine changes
// no verdict.
const BUDGET_MS = 6_000;

// Every how-manyth mutant is run. The others count as errors, which the score leaves out.
const SAMPLE = Number(process.env["AIVM_MUTATION_SAMPLE"] ?? 1);

// In the sandbox: Stryker starts a new process after a mutant that hangs.
const COSTS = "test-costs.json";

// Stryker counts how often each test passes each mutant, with look-ups by name in objects. Numbers
// in a typed array take a tenth of the time, and after the first run nobody asks for them.
const COUNTER = /function stryCov_9fa48\(\) \{/;
const COUNTED = /stryCov_9fa48\(("\d+"(?:, "\d+")*)\)/g;
const COUNT = `const stryHits = globalThis.${NAMES.NAMESPACE}.hits;
function stryCov_9fa48() {
  for (let i = 0; i < arguments.length; i++) stryHits[arguments[i]]++;
  return;`;
const NO_COUNT = "function stryCov_9fa48() { return;";
const MOST_MUTANTS = 1 << 16;

/** The text of a source as it is bundled: it knows its own address. */
function sources(counting) {
  return {
    name: "sources",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8").replaceAll(
          "import.meta.url",
          JSON.stringify(pathToFileURL(path).href),
        );
        const contents = text
          .replace(COUNTED, (_, ids) => `stryCov_9fa48(${ids.replaceAll('"', "")})`)
          .replace(COUNTER, counting ? COUNT : NO_COUNT);
        return { contents, loader: "ts" };
      });
    },
  };
}

/** Test files, each as a script over `require` and `module`. */
async function bundle(files, counting) {
  const { outputFiles } = await build({
    absWorkingDir: process.cwd(),
    entryPoints: files,
    outdir: "out",
    outbase: ".",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    write: false,
    format: "cjs",
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "error",
    plugins: [sources(counting)],
  });
  return new Map(
    outputFiles.map(({ path, text }) => {
      const file = relative("out", path).replace(/\.cjs$/, ".ts");
      const script = new Script(`(function (require, module, exports) {${text}\n})`, {
        filename: path,
        importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      });
      return [file, script];
    }),
  );
}

function testsOf(tasks) {
  return tasks.flatMap((task) => (task.type === "suite" ? testsOf(task.tasks) : [task]));
}

/** Name of a test for Stryker: its file, and the names of what it is in. */
function idOf(test) {
  const names = [];
  for (let task = test; task !== undefined && task !== test.file; task = task.suite) {
    names.unshift(task.name);
  }
  return `${test.file.name}#${names.join(" ")}`;
}

function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function fileOf(id) {
  return id.slice(0, id.indexOf("#"));
}

class BundledTestRunner {
  static inject = [];
  #state = (globalThis[NAMES.NAMESPACE] ??= {});
  #require;
  #scripts;
  #files;
  /** Milliseconds of each test. */
  #cost = new Map();

  capabilities() {
    return { reloadEnvironment: true };
  }

  init() {
    const require = createRequire(resolve("package.json"));
    this.#require = (name) => (name === "vitest" ? vitest : require(name));
    // A smaller counterexample tells Stryker nothing.
    fastCheck.configureGlobal({ endOnFailure: true });
    this.#files = FOLDERS.flatMap((folder) =>
      readdirSync(folder, { recursive: true }).map((name) => `${folder}/${name}`),
    )
      .filter((file) => file.endsWith(".test.ts"))
      .concat(FILES);
    if (existsSync(COSTS)) this.#cost = new Map(JSON.parse(readFileSync(COSTS, "utf8")));
  }

  async dryRun() {
    this.#state[NAMES.ACTIVE_MUTANT] = undefined;
    this.#scripts = await bundle(this.#files, true);
    this.#state.hits = new Int32Array(MOST_MUTANTS);
    const mutantCoverage = { static: {}, perTest: {} };
    const tests = await this.#run(this.#files, undefined, mutantCoverage);
    this.#scripts = undefined;
    writeFileSync(COSTS, JSON.stringify([...this.#cost]));
    return { status: DryRunStatus.Complete, tests, mutantCoverage };
  }

  async mutantRun({ activeMutant, testFilter, hitLimit }) {
    if (Number(activeMutant.id) % SAMPLE !== 0) {
      return { status: MutantRunStatus.Error, errorMessage: "not in the sample" };
    }
    this.#scripts ??= await bundle(this.#files, false);
    Object.assign(this.#state, {
      [NAMES.ACTIVE_MUTANT]: activeMutant.id,
      [NAMES.HIT_COUNT]: hitLimit === undefined ? undefined : 0,
      hitLimit,
    });
    const tests = await this.#run(this.#files, this.#quickest(testFilter ?? this.#cost.keys()));
    const tooOften = determineHitLimitReached(this.#state[NAMES.HIT_COUNT], hitLimit);
    return toMutantRunResult(tooOften ?? { status: DryRunStatus.Complete, tests });
  }

  /** Runs all tests to see what they cover, or those of `filter` until one fails. */
  async #run(files, filter, coverage) {
    const total = new Map(files.map((file) => [file, 0]));
    for (const id of filter ?? []) total.set(fileOf(id), total.get(fileOf(id)) + this.#costOf(id));
    const order = [...files]
      .filter((file) => filter === undefined || total.get(file) > 0)
      .sort((a, b) => total.get(a) - total.get(b));
    const results = [];
    for (const file of order) {
      const found = await this.#runFile(file, filter, coverage);
      results.push(...found);
      const failed = found.some(({ status }) => status === TestStatus.Failed);
      if (failed && coverage === undefined) break;
    }
    return results;
  }

  #quickest(ids) {
    let total = 0;
    return new Set(
      [...ids]
        .sort((a, b) => this.#costOf(a) - this.#costOf(b))
        .filter((id) => (total += this.#costOf(id)) <= BUDGET_MS),
    );
  }

  #takeHits(counts) {
    const { hits } = this.#state;
    for (let id = 0; id < hits.length; id++)
      if (hits[id] > 0) counts[id] = (counts[id] ?? 0) + hits[id];
    hits.fill(0);
  }

  #costOf(id) {
    return this.#cost.get(id) ?? 1;
  }

  async #runFile(file, filter, coverage) {
    const path = resolve(file);
    let failed = false;
    let begin = 0;
    const runner = {
      config: {
        root: process.cwd(),
        name: "",
        setupFiles: [],
        allowOnly: false,
        sequence: { seed: 0, hooks: "stack", setupFiles: "list" },
        maxConcurrency: 1,
        // Stryker has one of its own, and for a mutant that loops a limit of passes.
        testTimeout: 0,
        hookTimeout: 0,
        retry: 0,
        tags: [],
        diffOptions: { truncateThreshold: 20, maxDepth: 2 },
      },
      importFile: () => {
        const module = { exports: {} };
        this.#scripts.get(file).runInThisContext()(this.#require, module, module.exports);
      },
      onCollected: ([collected]) => {
        for (const test of testsOf(collected.tasks)) {
          if (filter !== undefined && !filter.has(idOf(test))) test.mode = "skip";
        }
        arrange(collected.tasks, (test) => this.#costOf(idOf(test)));
      },
      onBeforeRunTask: (test) => {
        if (coverage === undefined && failed) test.mode = "skip";
        if (coverage !== undefined) this.#takeHits(coverage.static);
        begin = processorMs();
      },
      onAfterRunTask: (test) => {
        if (coverage !== undefined) {
          this.#takeHits((coverage.perTest[idOf(test)] ??= {}));
          this.#cost.set(idOf(test), processorMs() - begin);
        }
        failed ||= test.result?.state === "fail";
      },
    };
    const [task] = await startTests([path], runner);
    const results = testsOf(task.tasks)
      .filter((test) => test.result !== undefined && test.mode !== "skip")
      .map((test) => this.#result(test));
    const broken = [task, ...suitesOf(task.tasks)].find(({ result }) => result?.errors?.length);
    if (broken !== undefined && !results.some(({ status }) => status === TestStatus.Failed)) {
      results.push(failure(`${task.name}#`, broken.name, broken.result));
    }
    return results;
  }

  #result(test) {
    const id = idOf(test);
    const timeSpentMs = test.result.duration ?? 0;
    if (test.result.state === "fail") return failure(id, test.name, test.result);
    return { id, name: id.slice(id.indexOf("#") + 1), timeSpentMs, status: TestStatus.Success };
  }
}

function failure(id, name, { duration, errors }) {
  const failureMessage = errors?.[0]?.message ?? "failed";
  return { id, name, timeSpentMs: duration ?? 0, status: TestStatus.Failed, failureMessage };
}

function suitesOf(tasks) {
  return tasks.flatMap((task) => (task.type === "suite" ? [task, ...suitesOf(task.tasks)] : []));
}

/** Puts what is quick first, and marks suites without a test to run: their hooks are left out. */
function arrange(tasks, costOf) {
  const total = (task) => testsOf([task]).reduce((sum, test) => sum + costOf(test), 0);
  tasks.sort((a, b) => total(a) - total(b));
  for (const task of tasks) {
    if (task.type !== "suite") continue;
    arrange(task.tasks, costOf);
    if (task.tasks.every(({ mode }) => mode === "skip")) task.mode = "skip";
  }
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.TestRunner, "bundled", BundledTestRunner),
];
