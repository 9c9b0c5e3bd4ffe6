// The VM in a worker, so that the page stays quick: bytes of a module in, then pictures in and
// answers out.
import { instantiate } from "aivm/vm";
import { createSimdBackend } from "aivm/tensor/simd";

/** @type {import("aivm/vm").Instance} */
let instance;

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(data.module === undefined ? run(data) : await load(data.module));
  } catch (error) {
    self.postMessage({ kind: "error", code: error.code, message: error.message });
  }
};

async function load(bytes) {
  instance = instantiate(bytes, { backend: await createSimdBackend() });
  return { kind: "loaded", moduleId: instance.moduleId };
}

function run({ id, pixels }) {
  const begin = performance.now();
  const { outputs, receipt, trap } = instance.runSync({
    inputs: { image: { reals: pixels, dims: [1, 1, 28, 28] } },
  });
  if (trap !== undefined) throw trap;
  const ms = performance.now() - begin;
  return { kind: "answer", id, probabilities: outputs.probabilities.reals(), receipt, ms };
}
