import type { Terminal } from "./terminal.js";

/** Progress of one piece of work. */
export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** Work that is done sooner needs no bar. */
const PATIENCE_MS = 1000;

/** A bar on stderr, where somebody watches and the work takes long; otherwise silence. */
export async function startProgress(
  terminal: Terminal,
  label: string,
  total: number,
): Promise<Progress> {
  if (!terminal.interactive || total <= 0)
    return { update: () => undefined, stop: () => undefined };
  const { SingleBar, Presets } = await import("cli-progress");
  const bar = new SingleBar(
    { format: `${label} {bar} {percentage}% | {eta_formatted} left`, clearOnComplete: true },
    Presets.shades_classic,
  );
  const begin = performance.now();
  let shown = false;
  return {
    update(done) {
      if (!shown && performance.now() - begin < PATIENCE_MS) return;
      if (!shown) bar.start(total, done);
      shown = true;
      bar.update(done);
    },
    stop: () => {
      if (shown) bar.stop();
    },
  };
}
