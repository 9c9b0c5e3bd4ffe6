import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Starts an example that serves on this machine and prints where, on a free port. */
export async function serve(example: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const script = fileURLToPath(new URL(`../../examples/${example}`, import.meta.url));
  const server = spawn(process.execPath, [script, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  return {
    url: line.toString("utf8").trim(),
    stop: async () => {
      const closed = once(server, "close");
      server.kill();
      await closed;
    },
  };
}
