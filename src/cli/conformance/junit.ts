import type { ConformanceReport, VectorResult } from "../../conformance/runVectors.js";

/** The report in JUnit's XML, which build servers read: a suite for each file of vectors. */
export function junitReport({ engine, results }: ConformanceReport): string {
  const suites = new Map<string, VectorResult[]>();
  for (const result of results) {
    const suite = suites.get(result.file);
    if (suite === undefined) suites.set(result.file, [result]);
    else suite.push(result);
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escape(engine)}" ${totals(results)}>`,
    ...[...suites].flatMap(([file, own]) => [
      `  <testsuite name="${escape(file)}" ${totals(own)}>`,
      ...own.map(testCase),
      "  </testsuite>",
    ]),
    "</testsuites>",
    "",
  ].join("\n");
}

function totals(results: readonly VectorResult[]): string {
  const failed = results.filter(({ outcome }) => outcome !== "passed").length;
  return `tests="${results.length}" failures="${failed}" time="${seconds(results)}"`;
}

const seconds = (results: readonly VectorResult[]): string =>
  (results.reduce((sum, { timeMs }) => sum + timeMs, 0) / 1000).toFixed(3);

function testCase(result: VectorResult): string {
  const { vector, outcome, problem } = result;
  const classname = escape(vector.clauses.join(" "));
  const open = `    <testcase name="${escape(vector.name)}" classname="${classname}" time="${seconds([result])}"`;
  if (outcome === "passed") return `${open}/>`;
  return `${open}><failure type="${outcome}" message="${escape(problem ?? outcome)}"/></testcase>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escape(text: string): string {
  return text
    .replace(/[&<>"]/g, (character) => ENTITIES[character]!)
    .replace(/[^\t\n\r -\ud7ff\ue000-\ufffd]/g, "\ufffd")
    .replace(/\s+/g, " ");
}
