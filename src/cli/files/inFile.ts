import { CompileError, InvalidError, LinkError, MalformedError } from "../../core/errors.js";

const ABOUT_CONTENT = [MalformedError, InvalidError, LinkError, CompileError] as const;

/** What `read` gives; an error about the content of the file that it read begins with its path. */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    for (const Family of ABOUT_CONTENT) {
      if (!(error instanceof Family)) continue;
      const { code, message, place } = error;
      throw new Family(code, `${path}: ${message}${advice(path, code)}`, place, error);
    }
    throw error;
  }
}

/** For files that were taken for another kind. */
function advice(path: string, code: string): string {
  if (code === "Signature") return "; `aivm compile` makes one of an ONNX model";
  const isModule = code === "MalformedModel" && /\.aivm$/i.test(path);
  return isModule ? "; a module is no ONNX model" : "";
}
