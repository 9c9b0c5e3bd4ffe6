import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeModule } from "../../src/module/encode.js";
import { parseAssembly } from "../../src/module/assemble.js";
import { serve } from "./server.js";

const text = readFileSync(new URL("../../examples/embed.aivmt", import.meta.url), "utf8");
let node: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  node = await serve("node.mjs");
});
afterAll(() => node.stop());

async function ask(method: string, path: string, body: Uint8Array | string) {
  const response = await fetch(new URL(path, node.url), { method, body: body as BodyInit });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
}

describe("examples/node.mjs", () => {
  test("holds a module and answers with outputs and a receipt", async () => {
    const held = await ask("PUT", "/modules", encodeModule(parseAssembly(text)));
    expect(held.status).toBe(200);
    const inputs = { x: { reals: [1, 2, 3], dims: [1, 3] } };
    const ran = await ask("POST", `/modules/${held.body.moduleId}/run`, JSON.stringify({ inputs }));
    expect(ran.status).toBe(200);
    // relu([1, 2, 3] · W + b), by hand
    expect(ran.body.outputs).toMatchObject({ y: { dims: [1, 2], reals: [8.125, 0] } });
    expect(ran.body.receipt).toMatchObject({ status: "finished", moduleId: held.body.moduleId });
    expect(ran.body.receiptHash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("refuses what is not a module, an input or a path, and goes on", async () => {
    const refused = await ask("PUT", "/modules", new Uint8Array([1, 2, 3]));
    expect(refused).toMatchObject({ status: 400, body: { error: "Signature" } });
    expect((await ask("POST", "/modules/none/run", "{}")).status).toBe(404);
    const { moduleId } = (await ask("PUT", "/modules", encodeModule(parseAssembly(text)))).body;
    const bad = await ask("POST", `/modules/${moduleId}/run`, `{"inputs":{}}`);
    expect(bad).toMatchObject({ status: 400, body: { error: "MissingInput" } });
    expect((await ask("POST", `/modules/${moduleId}/run`, "{")).status).toBe(400);
    expect((await ask("POST", `/modules/${moduleId}/run`, "null")).status).toBe(400);
  });
});
