import { PARTS_PROGRAM } from "../generated/partsProgram.js";
import type { WorkerStart } from "./parts.js";
import type { WorkerHandle } from "./threadPool.js";

/** How long workers may take to start; a host that is slower gets one thread. */
const START_MS = 20_000;

interface NodeWorker extends WorkerHandle {
  on(event: "message" | "error" | "exit", listener: () => void): void;
  postMessage(message: WorkerStart): void;
  ref(): void;
  unref(): void;
}
interface Host {
  readonly process?: {
    getBuiltinModule?: (id: "node:worker_threads") =>
      | {
          readonly Worker?: new (
            source: string,
            options: { eval: true; stdin: false; name: string },
          ) => NodeWorker;
        }
      | undefined;
  };
  readonly crossOriginIsolated?: boolean;
}

/** Whether this host shares memory between threads; a page does that only cross-origin isolated. */
export function sharesMemory(): boolean {
  return (
    typeof SharedArrayBuffer === "function" && (globalThis as Host).crossOriginIsolated !== false
  );
}

/**
 * Starts workers over a shared memory, as many as come up: none where the host has none, or a policy
 * forbids programs that are not files. They do not keep a Node process alive.
 */
export async function openWorkers(
  count: number,
  start: Omit<WorkerStart, "thread">,
): Promise<WorkerHandle[]> {
  const opened = await Promise.all(
    Array.from({ length: count }, (_, i) => openWorker({ ...start, thread: i + 1 })),
  );
  return opened.filter((worker) => worker !== undefined);
}

function openWorker(start: WorkerStart): Promise<WorkerHandle | undefined> {
  return new Promise((resolve) => {
    let worker: WorkerHandle | undefined;
    const timer = setTimeout(() => end(false), START_MS);
    const end = (ready: boolean): void => {
      clearTimeout(timer);
      if (!ready) worker?.terminate();
      resolve(ready ? worker : undefined);
    };
    try {
      worker = openInNode(start, end) ?? openInBrowser(start, end);
    } catch {
      end(false);
    }
  });
}

type OnStart = (ready: boolean) => void;

function openInNode(start: WorkerStart, end: OnStart): WorkerHandle | undefined {
  const threads = (globalThis as Host).process?.getBuiltinModule?.("node:worker_threads");
  if (threads?.Worker === undefined) return undefined;
  const worker = new threads.Worker(PARTS_PROGRAM, { eval: true, stdin: false, name: "aivm" });
  worker.on("message", () => {
    worker.unref();
    end(true);
  });
  for (const event of ["error", "exit"] as const) worker.on(event, () => end(false));
  worker.postMessage(start);
  return worker;
}

function openInBrowser(start: WorkerStart, end: OnStart): WorkerHandle {
  const url = URL.createObjectURL(new Blob([PARTS_PROGRAM], { type: "text/javascript" }));
  const worker = new Worker(url, { name: "aivm" });
  worker.onmessage = () => {
    URL.revokeObjectURL(url);
    end(true);
  };
  worker.onerror = () => {
    URL.revokeObjectURL(url);
    end(false);
  };
  worker.postMessage(start);
  return worker;
}
