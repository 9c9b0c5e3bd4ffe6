/** Whoever answers requests: the VM in this process, or a program behind a pipe. */
import type { Backend } from "../tensor/backend.js";
import { answerRequest } from "./answer.js";
import type { Answer, RunRequest } from "./protocol.js";

/** No answer: the engine went down, or took too long. */
export interface NoAnswer {
  readonly outcome: "crashed" | "timed out";
  /** What is known of it. */
  readonly problem: string;
}

export interface Engine {
  readonly name: string;
  /** Never fails: an engine that does is one that has crashed, and the next request finds it anew. */
  ask(request: RunRequest): Promise<Answer | NoAnswer>;
  close(): void;
}

/** The VM on a backend, which belongs to the engine. */
export function vmEngine(backend: Backend): Engine {
  return {
    name: `aivm ${backend.name}`,
    ask: (request) => Promise.resolve(answerRequest(request, backend)),
    close: () => backend.dispose(),
  };
}
