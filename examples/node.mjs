// A node of a network in small: it holds modules and answers requests with outputs and a receipt.
//
//   node examples/node.mjs [PORT]
//
//   PUT  /modules          the bytes of a module           → { "moduleId": … }
//   POST /modules/ID/run   { "inputs": { NAME: { "reals" | "integers", "dims" } }, "seed"?: HEX }
//                                                          → { "receipt", "receiptHash", "outputs" }
//
// It listens on this machine only. What comes in is hostile until checked: sizes are bounded before
// anything is read, the gas limit bounds the work, and every refusal is a typed error of AIVM.
import { createServer } from "node:http";
import { AivmError, HostError, instantiate, receiptHash } from "aivm";

const MAX_BODY_BYTES = 64 * 2 ** 20;
const MAX_MODULES = 16;
const LIMITS = { memoryBytes: 2 ** 28, elements: 2 ** 24 };
const GAS = 100_000_000_000n; // about a tenth of a second

/** @type {Map<string, import("aivm").Instance>} the one used longest ago first */
const instances = new Map();
/** Runs done or under way, one after the other: a core is busy with one anyway. */
let turn = Promise.resolve();

const server = createServer((request, response) => {
  answer(request).then(
    (body) => send(response, 200, body),
    (error) => send(response, statusOf(error), { error: error.code, message: error.message }),
  );
});
server.listen(Number(process.argv[2] ?? 8545), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});

async function answer(request) {
  const [, modules, id, run] = new URL(request.url, "http://localhost").pathname.split("/");
  if (request.method === "PUT" && modules === "modules" && id === undefined) {
    return { moduleId: await hold(await bodyOf(request)) };
  }
  if (request.method === "POST" && modules === "modules" && run === "run") {
    const instance = instances.get(id);
    if (instance === undefined) throw new NotFound(`no module ${id} is held here`);
    const { inputs, seed } = Object(JSON.parse((await bodyOf(request)).toString("utf8")));
    const done = turn.then(() => runOn(instance, inputs, seed));
    turn = done.then(
      () => {},
      () => {},
    );
    return done;
  }
  throw new NotFound("PUT /modules or POST /modules/ID/run");
}

/** Decodes, validates and links a module, and forgets another where there are too many. */
async function hold(bytes) {
  const instance = await instantiate(bytes);
  const { moduleId } = instance;
  instances.get(moduleId)?.dispose();
  instances.delete(moduleId);
  instances.set(moduleId, instance);
  if (instances.size > MAX_MODULES) {
    const [oldest, disused] = instances.entries().next().value;
    instances.delete(oldest);
    disused.dispose();
  }
  return moduleId;
}

async function runOn(instance, inputs, seed) {
  const { receipt, outputs = {} } = await instance.run({
    inputs,
    gas: GAS,
    limits: LIMITS,
    signal: AbortSignal.timeout(10_000),
    ...(seed === undefined ? {} : { seed: new Uint8Array(Buffer.from(seed, "hex")) }),
  });
  const values = Object.entries(outputs).map(([name, { dtype, shape, integers, scale, bytes }]) => {
    const reals = scale === undefined || bytes.length === 0 ? [] : [...outputs[name].reals()];
    return [name, { dtype, dims: shape, integers: [...integers].map(String), reals }];
  });
  return {
    receipt,
    receiptHash: Buffer.from(receiptHash(receipt)).toString("hex"),
    outputs: Object.fromEntries(values),
  };
}

async function bodyOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > MAX_BODY_BYTES) throw new TooLarge(`a body has at most ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

class NotFound extends Error {
  code = "NotFound";
}
class TooLarge extends Error {
  code = "TooLarge";
}

function statusOf(error) {
  if (error instanceof NotFound) return 404;
  if (error instanceof TooLarge) return 413;
  if (error instanceof HostError) return 503;
  if (error instanceof AivmError || error instanceof SyntaxError) return 400;
  console.error(error);
  return 500;
}

function send(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json" }).end(text);
}
