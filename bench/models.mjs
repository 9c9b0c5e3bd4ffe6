// Whole models beside onnxruntime, one thread each.
import { openFloatModel } from "aivm/analysis";
import { tensorHash, tensorsHash } from "aivm/module";
import { createSimdBackendSync } from "aivm/tensor/simd";
import { instantiate } from "aivm/vm";
import { race, time } from "./race.mjs";

/** @typedef {import("./subjects.mjs").Subject} Subject */
/** @typedef {import("./subjects.mjs").NamedArrays} NamedArrays */

const REALS = ["float16", "float32", "float64"];

/** @param {NamedArrays} sample */
export function hostInputs(sample) {
  return Object.fromEntries(
    [...sample].map(([name, { elementType, dims, data }]) => [
      name,
      REALS.includes(elementType)
        ? { reals: /** @type {Float32Array} */ (data), dims }
        : { integers: data, dims },
    ]),
  );
}

/**
 * Compiles, loads and races one model.
 * @param {Subject} subject
 * @param {number} seconds of each race
 */
export async function benchModel(subject, seconds) {
  const { bytes, compileMs } = await subject.compile();
  const model = subject.model();
  const samples = subject.samples();
  const inputs = samples.map(hostInputs);
  const turns = (/** @type {number} */ count) => {
    let turn = 0;
    return () => turn++ % count;
  };

  const backend = createSimdBackendSync();
  // Hashing does not depend on values; of what a run hashes, all is counted.
  const [load, session] = await race(
    [
      () => instantiate(bytes, { backend }).dispose(),
      async () => (await openFloatModel(model)).dispose(),
    ],
    seconds / 5,
  );
  const instance = instantiate(bytes, { backend });
  const firstRun = await time(() => instance.runSync({ inputs: inputs[0] ?? {} }), 1);
  const result = instance.runSync({ inputs: inputs[0] ?? {} });
  if (result.outputs === undefined) throw result.trap;
  const outputs = Object.values(result.outputs);
  const received = inputTensors(instance.module, samples[0] ?? new Map());
  const hash = () => {
    for (const tensors of [received, outputs]) {
      tensorsHash(tensors.map((tensor) => tensorHash(tensor, tensor.bytes)));
    }
  };

  const float = await openFloatModel(model);
  const native = await openNativeModel(model);
  const [fixedTurn, floatTurn, nativeTurn] = [turns, turns, turns].map((t) => t(samples.length));
  const [fixed, peer, hashing, nativeTime] = await race(
    [
      () => instance.runSync({ inputs: inputs[fixedTurn?.() ?? 0] ?? {} }),
      () => float.run(samples[floatTurn?.() ?? 0] ?? new Map()),
      hash,
      ...(native === undefined ? [] : [() => native(samples[nativeTurn?.() ?? 0] ?? new Map())]),
    ],
    seconds,
  );
  const floats = await float.run(samples[0] ?? new Map());
  const sqnrDb = leastSqnr(floats, result.outputs);
  await float.dispose();
  const { residentBytes } = backend.statistics();
  instance.dispose();
  backend.dispose();
  if (!load || !session || !fixed || !peer || !hashing) throw new TypeError("nothing was timed");
  return {
    name: subject.name,
    precision: subject.precision,
    group: subject.group,
    bar: subject.bar,
    moduleId: result.receipt.moduleId,
    moduleBytes: bytes.length,
    instructions: result.statistics.instructions,
    sqnrDb,
    run: fixed,
    hashing,
    float: peer,
    ...(nativeTime === undefined ? {} : { native: nativeTime }),
    ratio: peer.medianMs / fixed.medianMs,
    ratioWithoutHashing: peer.medianMs / (fixed.medianMs - hashing.medianMs),
    compileMs,
    load,
    session,
    firstRunMs: firstRun.medianMs,
    liveTensorBytes: result.statistics.peakMemoryBytes,
    backendBytes: residentBytes,
  };
}

/**
 * Tensors of the dtypes and shapes that a run hashes as its input; hashing does not look at values.
 * @param {import("aivm/module").Module} module
 * @param {NamedArrays} sample
 */
function inputTensors({ configuration }, sample) {
  const widths = { bool: 1, u8: 1, i8: 1, i16: 2, i32: 4, i64: 8 };
  return (configuration.entries[0]?.inputs ?? []).map(({ name, dtype }) => {
    const shape = sample.get(name)?.dims ?? [];
    const count = shape.reduce((product, dim) => product * dim, 1);
    return { dtype, shape, bytes: new Uint8Array(count * widths[dtype]) };
  });
}

/**
 * onnxruntime-node on one thread, where it is installed; the bench does not bring it along.
 * @param {Uint8Array} model
 * @returns {Promise<((sample: NamedArrays) => Promise<unknown>) | undefined>}
 */
async function openNativeModel(model) {
  const name = "onnxruntime-node";
  /** @type {any} */
  let runtime;
  try {
    runtime = await import(name);
  } catch {
    return undefined;
  }
  const session = await runtime.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  return (sample) =>
    session.run(
      Object.fromEntries(
        [...sample].map(([input, { elementType, data, dims }]) => [
          input,
          new runtime.Tensor(elementType, data, dims),
        ]),
      ),
    );
}

/**
 * The least signal to noise of all real outputs; undefined where there is none.
 * @param {NamedArrays} floats
 * @param {Readonly<Record<string, import("aivm/vm").OutputTensor>>} outputs
 */
function leastSqnr(floats, outputs) {
  const figures = [...floats].flatMap(([name, { data }]) => {
    const output = outputs[name];
    return output?.scale === undefined ? [] : [sqnr(data, output.reals("float64"))];
  });
  return figures.length === 0 ? undefined : Math.min(...figures);
}

/**
 * @param {ArrayLike<number | bigint | boolean>} float
 * @param {ArrayLike<number>} fixed
 */
function sqnr(float, fixed) {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < float.length; i++) {
    const x = Number(float[i]);
    signal += x * x;
    noise += (x - (fixed[i] ?? NaN)) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

/**
 * Geometric mean and least of the ratios of each group.
 * @param {readonly Awaited<ReturnType<typeof benchModel>>[]} rows
 */
export function summaries(rows) {
  const groups = new Set(rows.flatMap(({ group }) => (group === undefined ? [] : [group])));
  return [...groups].map((group) => {
    const own = rows.filter((row) => row.group === group);
    const ratios = own.map((row) => row.ratioWithoutHashing);
    const logs = ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0);
    const least = own.reduce((a, b) => (b.ratioWithoutHashing < a.ratioWithoutHashing ? b : a));
    return {
      group,
      models: own.length,
      geometricMean: Math.exp(logs / own.length),
      least: { name: least.name, ratio: least.ratioWithoutHashing },
    };
  });
}
