/** An engine behind a command: requests on its standard input, answers on its standard output. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";
import type { Engine, NoAnswer } from "../../conformance/engine.js";
import type { Answer, HelloRequest, RunRequest } from "../../conformance/protocol.js";
import { STATUSES } from "../../conformance/protocol.js";
import { VECTOR_FORMAT } from "../../conformance/vector.js";
import { HostError } from "../../core/errors.js";

/** More than this in one line is no answer. */
const MAX_LINE = 1 << 28;
/** For an engine to start, however little a vector may take. */
const START_MS = 10_000;
/** What is kept of what the engine says to people. */
const MAX_ERROR_TEXT = 2_000;

type Reply = Readonly<Record<string, unknown>>;

/**
 * Starts the command and asks who it is. Where it ends, takes too long or says what is no answer,
 * the request has none, and the next starts it anew.
 * @param timeoutMs for one request
 * @throws HostError `Engine` when it does not start or does not speak the protocol
 */
export async function startEngine(command: string, timeoutMs: number): Promise<Engine> {
  const engine = new EngineProcess(command, timeoutMs);
  const problem = await engine.start();
  if (problem === undefined) return engine;
  engine.close();
  throw new HostError(
    "Engine",
    `the engine \`${command}\` does not speak the protocol of spec/vectors: ${problem}`,
  );
}

class EngineProcess implements Engine {
  readonly #command: string;
  readonly #timeoutMs: number;
  #child: ChildProcessWithoutNullStreams | undefined;
  #name: string;
  #lines: string[] = [];
  #partial: string[] = [];
  #partialLength = 0;
  #errorText = "";
  /** Why the child says no more. */
  #ended: string | undefined;
  #wake: (() => void) | undefined;

  constructor(command: string, timeoutMs: number) {
    this.#command = command;
    this.#timeoutMs = timeoutMs;
    this.#name = command;
  }

  get name(): string {
    return this.#name;
  }

  /** Why it cannot be used, or undefined. */
  async start(): Promise<string | undefined> {
    this.#spawn();
    const hello: HelloRequest = { id: 0, op: "hello", protocol: VECTOR_FORMAT };
    const reply = await this.#exchange(hello, Math.max(this.#timeoutMs, START_MS));
    if ("problem" in reply) return reply.problem;
    const { status, engine } = reply.reply;
    if (status !== "ready" || typeof engine !== "string") {
      return 'the answer to "hello" must have the status "ready" and the name of the engine';
    }
    this.#name = engine;
    return undefined;
  }

  async ask(request: RunRequest): Promise<Answer | NoAnswer> {
    if (this.#child === undefined) {
      const problem = await this.start();
      if (problem !== undefined) {
        this.close();
        return { outcome: "crashed", problem: `it does not start again: ${problem}` };
      }
    }
    const reply = await this.#exchange(request, this.#timeoutMs);
    const failure = "problem" in reply ? reply : checkAnswer(reply.reply);
    if (failure === undefined) return (reply as { reply: Reply }).reply as unknown as Answer;
    // Whatever it says later would be taken for the answer to the next request.
    this.close();
    return failure;
  }

  close(): void {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined) return;
    child.removeAllListeners();
    child.on("error", () => undefined);
    child.stdin.destroy();
    child.stdout.destroy();
    child.stderr.destroy();
    try {
      // The command runs in a shell: what the shell has started goes with it.
      if (process.platform === "win32") child.kill("SIGKILL");
      else process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    child.unref();
  }

  #spawn(): void {
    const child = spawn(this.#command, {
      shell: true,
      stdio: "pipe",
      detached: process.platform !== "win32",
    });
    this.#child = child;
    this.#lines = [];
    this.#partial = [];
    this.#partialLength = 0;
    this.#errorText = "";
    this.#ended = undefined;
    const end = (reason: string): void => {
      this.#ended ??= reason;
      this.#wake?.();
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) =>
      end(`it ended with ${signal ?? `exit code ${String(code)}`}`),
    );
    // Writing to an engine that has gone is told by its end.
    child.stdin.on("error", () => undefined);
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => this.#receive(text, end));
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      this.#errorText = (this.#errorText + text).slice(-MAX_ERROR_TEXT);
    });
  }

  #receive(text: string, end: (reason: string) => void): void {
    const pieces = text.split("\n");
    const last = pieces.pop()!;
    for (const piece of pieces) {
      this.#lines.push([...this.#partial, piece].join(""));
      this.#partial = [];
      this.#partialLength = 0;
    }
    if (last !== "") this.#partial.push(last);
    this.#partialLength += last.length;
    if (this.#partialLength > MAX_LINE) end(`its answer has more than ${MAX_LINE} characters`);
    else if (pieces.length > 0) this.#wake?.();
  }

  async #exchange(
    request: HelloRequest | RunRequest,
    timeoutMs: number,
  ): Promise<{ readonly reply: Reply } | NoAnswer> {
    this.#child!.stdin.write(`${JSON.stringify(request)}\n`);
    if (!(await this.#lineThere(timeoutMs))) {
      const problem = `no answer within ${String(timeoutMs / 1000)} s`;
      return { outcome: "timed out", problem };
    }
    const line = this.#lines.shift();
    if (line === undefined) {
      const said = this.#errorText.trim();
      const problem = `${this.#ended ?? "it ended"}${said === "" ? "" : `: ${said}`}`;
      return { outcome: "crashed", problem };
    }
    const reply = parseReply(line);
    if (reply?.["id"] === request.id) return { reply };
    const start = line.length > 80 ? `${line.slice(0, 80)}…` : line;
    return { outcome: "crashed", problem: `no JSON object with the id ${request.id}: ${start}` };
  }

  /** Waits for a line or the end of the child; false when the time is up. */
  #lineThere(timeoutMs: number): Promise<boolean> {
    if (this.#lines.length > 0 || this.#ended !== undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (there: boolean): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(there);
      };
      const timer = setTimeout(() => settle(false), timeoutMs);
      this.#wake = () => settle(true);
    });
  }
}

function parseReply(line: string): Reply | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Reply {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is wrong with the form of an answer, or undefined: what is in it is for the judge. */
function checkAnswer({ status, trap, outputs }: Reply): NoAnswer | undefined {
  const formed =
    (STATUSES as readonly unknown[]).includes(status) &&
    (trap === undefined || isObject(trap)) &&
    (outputs === undefined || (Array.isArray(outputs) && outputs.every(isObject)));
  if (formed) return undefined;
  const problem =
    "an answer has a status of the protocol, a trap that is an object, outputs that are objects";
  return { outcome: "crashed", problem };
}
