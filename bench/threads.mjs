// Two threads beside one, on whole models, by turns in one run.
import { instantiate } from "aivm/vm";
import { createSimdBackend } from "aivm/tensor/simd";
import { hostInputs } from "./models.mjs";
import { race } from "./race.mjs";
import { realSubjects } from "./subjects.mjs";

const threads = Number(process.argv[2] ?? 2);
const seconds = Number(process.argv[3] ?? 10);
const BAR = 1.7;
const models = ["yolox_nano", "light_resnet50"];
const ms = (/** @type {number} */ value) => `${value.toFixed(2)} ms`;

console.log(`Node ${process.version}; usage: node bench/threads.mjs [THREADS] [SECONDS]`);
for (const subject of await realSubjects(process.env["AIVM_MODEL_CACHE"])) {
  if (!models.includes(subject.name) || subject.precision !== "fx16") continue;
  const { bytes } = await subject.compile();
  const [sample] = subject.samples();
  const inputs = hostInputs(sample ?? new Map());
  const backends = [await createSimdBackend(), await createSimdBackend({ threads })];
  const runs = backends.map((backend) => {
    const instance = instantiate(bytes, { backend });
    return () => instance.runSync({ inputs });
  });
  const [one, many] = await race(runs, seconds);
  const [first, other] = runs.map((run) => run().receipt.outputHash);
  if (one === undefined || many === undefined || first !== other) {
    throw new Error(`${subject.name}: the outputs differ`);
  }
  const least = one.lowMs / many.lowMs;
  console.log(
    `${subject.name} fx16: 1 thread ${ms(one.medianMs)}, ${backends[1]?.threads} threads ${ms(many.medianMs)}: ` +
      `${(one.medianMs / many.medianMs).toFixed(2)}× (of 10th percentiles ${least.toFixed(2)}×; bar for two ${BAR}×)`,
  );
  for (const backend of backends) backend.dispose();
}
