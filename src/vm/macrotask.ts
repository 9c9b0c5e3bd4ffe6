interface Host {
  setImmediate?: (callback: () => void) => unknown;
}

/**
 * Resolves after the host has handled events that wait. `setTimeout` would cost at least a
 * millisecond (four when nested, in browsers).
 */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    const { setImmediate } = globalThis as Host;
    if (setImmediate !== undefined) {
      setImmediate(resolve);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
