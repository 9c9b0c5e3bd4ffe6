import type { InputError } from "../core/errors.js";

/**
 * The object of a JSON file that states its version.
 * @param bad makes the error of what is wrong
 * @throws what `bad` makes, where the text is no JSON, no object, or of another version than 1
 */
export function parseVersioned(
  text: string,
  bad: (what: string) => InputError,
): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : "it is not JSON");
  }
  if (!isRecord(value)) throw bad("it holds no object");
  const { version } = value;
  if (version !== 1)
    throw bad(
      version === undefined
        ? "it states no version"
        : `version ${String(version)} is unknown, 1 is read`,
    );
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a SHA-256 in hexadecimal, as models are named by. */
export function isSha256(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
