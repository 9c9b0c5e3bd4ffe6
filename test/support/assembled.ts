import type { Backend } from "../../src/tensor/backend.js";
import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { parseAssembly } from "../../src/module/assemble.js";
import type { Instance } from "../../src/vm/instance.js";
import { instantiate } from "../../src/vm/instance.js";

/** An instance of a module in text, on a reference backend of its own unless there is another. */
export function assembled(text: string, backend?: Backend): Instance {
  return instantiate(parseAssembly(`aivm isa=1 gas=1\n${text}`), {
    backend: backend ?? createReferenceBackend(),
    ownsBackend: backend === undefined,
  });
}
