import { afterAll, beforeAll, describe } from "vitest";
import type { Backend } from "../../src/tensor/backend.js";
import { describeChains } from "./suite/chains.js";
import { describeContraction } from "./suite/contraction.js";
import { describeElementwise } from "./suite/elementwise.js";
import { describeIndexing } from "./suite/indexing.js";
import { describeLut } from "./suite/lut.js";
import { describeMovement } from "./suite/movement.js";
import { describeReductions } from "./suite/reductions.js";
import { describeRescale } from "./suite/rescale.js";
import { describeStorage } from "./suite/storage.js";

/**
 * What every backend must do, whichever it is: each kernel gives, bit for bit, what the exact
 * meaning of its instruction gives.
 */
export function describeBackend(name: string, create: () => Promise<Backend>): void {
  describe(`the ${name} backend`, () => {
    let backend: Backend | undefined;
    beforeAll(async () => {
      backend = await create();
    });
    afterAll(() => backend?.dispose());

    const get = (): Backend => backend!;
    describeStorage(get, create);
    describeElementwise(get);
    describeRescale(get);
    describeLut(get);
    describeContraction(get);
    describeReductions(get);
    describeMovement(get);
    describeIndexing(get);
    describeChains(get);
  });
}
