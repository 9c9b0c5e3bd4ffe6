import { Option } from "commander";
import { parseThreads } from "./arguments.js";
import type { Backend } from "../tensor/backend.js";

export const BACKENDS = ["simd", "tfjs", "reference"] as const;
export type BackendName = (typeof BACKENDS)[number];

export function threadsOption(): Option {
  return new Option("--threads <N>", "threads that the simd engine works on")
    .argParser(parseThreads)
    .default(1);
}

export function backendOption(): Option {
  return new Option("--backend <NAME>", "engine to run on").choices(BACKENDS).default("simd");
}

/** Makes the engine of that name, on threads if it is `simd`; nothing of the others is loaded. */
export async function openBackend(name: BackendName, threads = 1): Promise<Backend> {
  switch (name) {
    case "simd": {
      const { createSimdBackend } = await import("../tensor/simd/index.js");
      return createSimdBackend({ threads });
    }
    case "tfjs": {
      const { createTfjsBackend } = await import("../tensor/tfjs/index.js");
      return createTfjsBackend();
    }
    case "reference": {
      const { createReferenceBackend } = await import("../tensor/reference/index.js");
      return createReferenceBackend();
    }
  }
}
