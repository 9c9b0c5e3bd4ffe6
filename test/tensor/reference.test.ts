import { createReferenceBackend } from "../../src/tensor/reference/index.js";
import { describeBackend } from "./suite.js";

describeBackend("reference", () => Promise.resolve(createReferenceBackend()));
