// An engine of the matrix that is a page's worker: where kernels may wait for each other.
import { runGroups } from "./runGroups.mjs";

self.onmessage = async ({ data: job }) => {
  try {
    const groups = await fetch("groups.json").then((response) => response.json());
    self.postMessage(await runGroups(groups, job));
  } catch (error) {
    self.postMessage({ error: `${error.name}: ${error.message}` });
  }
};
