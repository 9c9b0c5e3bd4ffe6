import { describe, expect, it } from "vitest";
import { CompileError, InternalError, Trap } from "../../src/core/errors.js";

describe("errors", () => {
  it("bear the name of their class, a code, a place and a cause", () => {
    const cause = new RangeError("deeper");
    const error = new CompileError("Unsupported", "what", { name: "n" }, cause);
    expect(error).toMatchObject({ name: "CompileError", code: "Unsupported", message: "what" });
    expect(error.place).toEqual({ name: "n" });
    expect(error.cause).toBe(cause);
  });

  it("have no cause that nobody gave, and a place without fields", () => {
    const error = new CompileError("Unsupported", "what");
    expect(Object.hasOwn(error, "cause")).toBe(false);
    expect(error.place).toEqual({});
  });

  it("are ours when internal", () => {
    const error = new InternalError("what");
    expect(error.code).toBe("Internal");
    expect(error.message).toMatch(/^what; .*bug in AIVM/);
  });

  it("say what a trap instruction said", () => {
    const trap = new Trap("Unreachable", "what", { pc: 3 }, 7);
    expect(trap).toMatchObject({ name: "Trap", code: "Unreachable", detail: 7, place: { pc: 3 } });
    expect(new Trap("OutOfGas", "what").detail).toBeUndefined();
  });
});
