import { InvalidError } from "../core/errors.js";
import type { TensorType } from "../core/shape.js";
import { MAX_RANK } from "../core/shape.js";
import { GAS_VERSION, ISA_VERSION } from "../opcodes/index.js";
import type { EntryPoint, Module, ModuleFunction, Port } from "./module.js";
import type { FunctionPlan, ValidatedModule } from "./plan.js";
import type { InvalidCode } from "./typing.js";
import { formatType } from "./typing.js";
import { validateFunction } from "./validateFunction.js";

/**
 * Checks that a well-formed module (what `decodeModule` returns) is valid: the rules of
 * `spec/validation.md`, the same for every engine, in time linear in the code. Parameter data is
 * not looked at.
 * @throws InvalidError
 */
export function validateModule(module: Module): ValidatedModule {
  const { configuration, functions, aggregation, parameters } = module;
  if (configuration.isaVersion !== ISA_VERSION || configuration.gasVersion !== GAS_VERSION) {
    fail(
      "Version",
      `the module is for instruction set ${configuration.isaVersion} and gas schedule ${configuration.gasVersion}, this engine has ${ISA_VERSION} and ${GAS_VERSION}`,
    );
  }
  const [feature] = configuration.features;
  if (feature !== undefined) {
    fail(
      "Version",
      `the module requires the feature ${JSON.stringify(feature)}, this engine has none`,
    );
  }
  configuration.entries.forEach((entry) => checkEntry(entry, functions));
  for (const { entry, function: index } of configuration.aggregations) {
    const point = configuration.entries[entry];
    if (point === undefined)
      fail("Index", `an aggregation names entry ${entry}, which is not there`);
    checkAggregation(point, index, aggregation);
  }

  let steps = 0;
  const validatePart = (part: readonly ModuleFunction[], name: string): FunctionPlan[] =>
    part.map((_, index) => {
      const result = validateFunction(index, { functions: part, parameters, part: name });
      steps += result.steps;
      return result.plan;
    });
  const plans = validatePart(functions, "code");
  const aggregationPlans = validatePart(aggregation, "aggregation");
  return { module, functions: plans, aggregation: aggregationPlans, steps };
}

const portType = ({ dtype, shape }: Port): TensorType => ({ dtype, rank: shape.length });

function checkEntry(entry: EntryPoint, functions: readonly ModuleFunction[]): void {
  const called = functions[entry.function];
  const what = `entry point ${JSON.stringify(entry.name)}`;
  if (called === undefined)
    fail("Index", `${what} names function ${entry.function}, which is not there`);
  const at = { name: entry.name, function: entry.function };
  checkTypes(`${what}, inputs and parameters`, entry.inputs.map(portType), called.params, at);
  checkTypes(`${what}, outputs and results`, entry.outputs.map(portType), called.results, at);
}

function checkAggregation(
  entry: EntryPoint,
  index: number,
  functions: readonly ModuleFunction[],
): void {
  const called = functions[index];
  const what = `aggregation of ${JSON.stringify(entry.name)}`;
  if (called === undefined) fail("Index", `${what} names function ${index}, which is not there`);
  const outputs = entry.outputs.map(portType);
  const stacked = outputs.map(({ dtype, rank }) => ({ dtype, rank: rank + 1 }));
  if (stacked.some(({ rank }) => rank > MAX_RANK)) {
    fail("Signature", `${what}: with a leading axis an output has a rank above ${MAX_RANK}`);
  }
  const at = { name: entry.name, function: index };
  const votes: TensorType = { dtype: "i64", rank: 1 };
  const total: TensorType = { dtype: "i64", rank: 0 };
  checkTypes(`${what}, parameters`, [...stacked, votes, total], called.params, at);
  checkTypes(`${what}, results`, outputs, called.results, at);
}

function checkTypes(
  what: string,
  declared: readonly TensorType[],
  actual: readonly TensorType[],
  place: { readonly name: string; readonly function: number },
): void {
  if (declared.length !== actual.length) {
    fail(
      "Signature",
      `${what}: ${declared.length} are declared, function ${place.function} has ${actual.length}`,
      place,
    );
  }
  declared.forEach((type, i) => {
    const other = actual[i]!;
    if (type.dtype !== other.dtype || type.rank !== other.rank) {
      fail(
        "Signature",
        `${what}: number ${i} is declared ${formatType(type)}, function ${place.function} has ${formatType(other)}`,
        place,
      );
    }
  });
}

function fail(
  code: InvalidCode,
  message: string,
  place?: { readonly name: string; readonly function: number },
): never {
  throw new InvalidError(code, message, place);
}
