import { Decimal as DecimalBase } from "decimal.js";
import { describe, expect, it } from "vitest";
import { functions, isElementary, pow, type Attributes } from "../../src/compiler/elementary.js";

/** Another implementation, at more digits than any double-rounding could need. */
const Decimal = DecimalBase.clone({ precision: 90, maxE: 9e15, minE: -9e15 });
type Decimal = DecimalBase;
/** The exact value of a float; decimal.js would take the shortest digits that print it. */
function D(x: number): Decimal {
  let exponent = 0;
  let mantissa = x;
  for (; !Number.isInteger(mantissa); mantissa *= 2) exponent--;
  return new Decimal(BigInt(mantissa).toString()).times(new Decimal(2).pow(exponent));
}
const ONE = D(1);

/** Uniform numbers in [0, 1), the same in every run. */
function* uniform(seed: number): Generator<number> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const high = state;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield (high * 4294967296 + state) / 2 ** 64;
  }
}

/** Points of [lo, hi]: evenly spread ones, and ones of every size down to 2^−60 of the ends. */
function points(lo: number, hi: number, count: number, seed: number): number[] {
  const random = uniform(seed);
  const next = (): number => random.next().value as number;
  const result: number[] = [];
  for (let k = 0; k < count; k++) {
    const spread = lo + (hi - lo) * next();
    const end = next() < 0.5 ? lo : hi;
    const small = end * 2 ** (-60 * next());
    result.push(k % 2 === 0 ? spread : Math.min(hi, Math.max(lo, small)));
  }
  return result;
}

function erfDecimal(x: Decimal): Decimal {
  const Wide = Decimal.clone({ precision: 90 + Math.ceil(x.toNumber() ** 2) });
  const square = new Wide(x).times(x);
  let term = new Wide(x);
  let sum = term;
  for (let k = 1; term.abs().gt("1e-450"); k++) {
    term = term.times(square).div(-k);
    sum = sum.plus(term.div(2 * k + 1));
  }
  return sum.times(2).div(Wide.acos(-1).sqrt());
}

/** 1 − erf by the series, at enough digits for what cancels. */
function erfcDecimal(x: Decimal): Decimal {
  const Wide = Decimal.clone({ precision: 90 + Math.ceil(x.toNumber() ** 2) });
  return new Wide(1).minus(erfDecimal(x));
}

const sigmoid = (x: Decimal): Decimal => ONE.div(ONE.plus(x.neg().exp()));
const wideExpm1 = (x: Decimal): Decimal => {
  const Wide = Decimal.clone({ precision: 150 });
  return new Wide(x).exp().minus(1);
};
const wideLog1p = (x: Decimal): Decimal => {
  const Wide = Decimal.clone({ precision: 150 });
  return new Wide(1).plus(x).ln();
};
const softplus = (x: Decimal): Decimal => {
  const Wide = Decimal.clone({ precision: 420 });
  return new Wide(x).exp().plus(1).ln();
};
const tanh = (x: Decimal): Decimal => {
  const t = wideExpm1(x.times(2));
  return t.div(t.plus(2));
};

interface Case {
  name: keyof typeof functions;
  exact: (x: Decimal) => Decimal;
  lo: number;
  hi: number;
  count?: number;
  attributes?: Attributes;
}

const rootTwoOverPi = D(2).div(Decimal.acos(-1)).sqrt();
const a02 = Math.fround(0.2);
const a03 = Math.fround(0.3);
const seluAlpha = "1.67326319217681884765625";
const seluGamma = "1.05070102214813232421875";

const CASES: Case[] = [
  { name: "Exp", exact: (x) => x.exp(), lo: -744, hi: 709 },
  { name: "Expm1", exact: wideExpm1, lo: -40, hi: 40 },
  { name: "Log", exact: (x) => x.ln(), lo: 1e-300, hi: 1e300 },
  { name: "Log", exact: (x) => x.ln(), lo: 0.5, hi: 2 },
  { name: "Log1p", exact: wideLog1p, lo: -0.999, hi: 10 },
  { name: "Sin", exact: (x) => x.sin(), lo: -30, hi: 30 },
  { name: "Cos", exact: (x) => x.cos(), lo: -30, hi: 30 },
  { name: "Tan", exact: (x) => x.tan(), lo: -30, hi: 30 },
  { name: "Asin", exact: (x) => x.asin(), lo: -1, hi: 1, count: 60 },
  { name: "Acos", exact: (x) => x.acos(), lo: -1, hi: 1, count: 60 },
  { name: "Atan", exact: (x) => x.atan(), lo: -20, hi: 20 },
  { name: "Sinh", exact: (x) => wideExpm1(x).minus(wideExpm1(x.neg())).div(2), lo: -700, hi: 700 },
  { name: "Cosh", exact: (x) => x.cosh(), lo: -50, hi: 50 },
  { name: "Tanh", exact: tanh, lo: -25, hi: 25 },
  { name: "Asinh", exact: (x) => x.asinh(), lo: -1e6, hi: 1e6, count: 60 },
  { name: "Acosh", exact: (x) => x.acosh(), lo: 1, hi: 1e6, count: 60 },
  { name: "Atanh", exact: (x) => x.atanh(), lo: -0.9999, hi: 0.9999, count: 60 },
  { name: "Sigmoid", exact: sigmoid, lo: -700, hi: 60 },
  { name: "Softplus", exact: softplus, lo: -300, hi: 300, count: 40 },
  { name: "Erf", exact: erfDecimal, lo: -6, hi: 6 },
  { name: "Erfc", exact: erfcDecimal, lo: -6, hi: 15 },
  { name: "Erfc", exact: erfcDecimal, lo: 26, hi: 27.5, count: 10 }, // subnormal results
  {
    name: "Gelu",
    exact: (x) => x.times(erfcDecimal(x.neg().div(D(2).sqrt()))).div(2),
    lo: -12,
    hi: 12,
  },
  {
    name: "Gelu",
    attributes: { approximate: "tanh" },
    exact: (x) =>
      x.times(sigmoid(rootTwoOverPi.times(2).times(x.plus(x.pow(3).times("0.044715"))))),
    lo: -12,
    hi: 12,
  },
  { name: "Mish", exact: (x) => x.times(tanh(softplus(x))), lo: -80, hi: 80, count: 40 },
  { name: "Swish", exact: (x) => x.times(sigmoid(x)), lo: -80, hi: 80 },
  {
    name: "Swish",
    attributes: { alpha: 1.702 },
    exact: (x) => x.times(sigmoid(x.times(D(1.702)))),
    lo: -80,
    hi: 80,
  },
  {
    name: "Elu",
    attributes: { alpha: a03 },
    exact: (x) => (x.lt(0) ? wideExpm1(x).times(D(a03)) : x),
    lo: -30,
    hi: 3,
  },
  {
    name: "Celu",
    attributes: { alpha: a03 },
    exact: (x) => (x.lt(0) ? wideExpm1(x.div(D(a03))).times(D(a03)) : x),
    lo: -10,
    hi: 3,
  },
  {
    name: "Selu",
    exact: (x) => (x.lt(0) ? wideExpm1(x).times(seluAlpha) : x).times(seluGamma),
    lo: -30,
    hi: 30,
  },
  {
    name: "HardSigmoid",
    exact: (x) => Decimal.max(0, Decimal.min(1, x.times(D(a02)).plus(0.5))),
    lo: -4,
    hi: 4,
  },
  {
    name: "HardSwish",
    exact: (x) => x.times(Decimal.max(0, Decimal.min(1, x.div(6).plus(0.5)))),
    lo: -4,
    hi: 4,
  },
  { name: "Softsign", exact: (x) => x.div(x.abs().plus(1)), lo: -1e4, hi: 1e4 },
  { name: "Reciprocal", exact: (x) => ONE.div(x), lo: 1e-8, hi: 1e8 },
  { name: "Sqrt", exact: (x) => x.sqrt(), lo: 0, hi: 1e8 },
  { name: "Rsqrt", exact: (x) => ONE.div(x.sqrt()), lo: 1e-8, hi: 1e8 },
  {
    name: "LeakyRelu",
    exact: (x) => (x.lt(0) ? x.times(D(Math.fround(0.01))) : x),
    lo: -10,
    hi: 10,
  },
];

describe("correct rounding against decimal.js", () => {
  for (const [index, { name, exact, lo, hi, count = 120, attributes }] of CASES.entries()) {
    const suffix = attributes === undefined ? "" : ` ${JSON.stringify(attributes)}`;
    it(`${name}${suffix} on [${lo}, ${hi}]`, () => {
      const wrong: string[] = [];
      for (const x of points(lo, hi, count, index + 1)) {
        const got = functions[name](x, attributes);
        const want = Number(exact(D(x)).toPrecision(60));
        if (got !== want && !(got === 0 && want === 0)) wrong.push(`f(${x}) = ${got}, not ${want}`);
      }
      expect(wrong).toEqual([]);
    });
  }
});

describe("known constants", () => {
  // Digits from mathematical tables, more of them than a float64 holds.
  it.each([
    ["Exp", 1, "2.718281828459045235360287471352662"],
    ["Log", 2, "0.693147180559945309417232121458177"],
    ["Log", 10, "2.302585092994045684017991454684364"],
    ["Acos", -1, "3.141592653589793238462643383279503"],
    ["Atan", 1, "0.785398163397448309615660845819876"],
    ["Asin", 1, "1.570796326794896619231321691639751"],
    ["Sin", 1, "0.841470984807896506652502321630299"],
    ["Cos", 1, "0.540302305868139717400936607442977"],
    ["Tan", 1, "1.557407724654902230506974807458360"],
    ["Tanh", 1, "0.761594155955764888119458282604794"],
    ["Sinh", 1, "1.175201193643801456882381850595601"],
    ["Cosh", 1, "1.543080634815243778477905620757061"],
    ["Asinh", 1, "0.881373587019543025232609324979792"],
    ["Acosh", 2, "1.316957896924816708625046347307968"],
    ["Atanh", 0.5, "0.549306144334054845697622618461258"],
    ["Erf", 1, "0.842700792949714869341220635082609"],
    ["Erfc", 1, "0.157299207050285130658779364917390"],
    ["Sigmoid", 1, "0.731058578630004879251159944014985"],
    ["Softplus", 0, "0.693147180559945309417232121458177"],
    ["Expm1", 1, "1.718281828459045235360287471352662"],
  ] as const)("%s(%d)", (name, x, digits) => {
    expect(functions[name](x)).toBe(Number(digits));
  });

  it("reduces huge angles: sin(10^22), the published hard case", () => {
    expect(functions.Sin(1e22)).toBe(Number("-0.8522008497671888017727"));
    expect(functions.Cos(1e22)).toBe(Number("0.5232147853951389454975944"));
  });

  it("reduces angles next to a multiple of π/2", () => {
    // 6381956970095103 · 2^797 is the float64 nearest to such a multiple, relatively.
    const x = 6381956970095103 * 2 ** 797;
    const y = functions.Cos(x);
    expect(Math.abs(y)).toBeGreaterThan(4e-19);
    expect(Math.abs(y)).toBeLessThan(5e-19);
    expect(Math.abs(y - Math.cos(x))).toBeLessThan(1e-33);
  });
});

describe("agreement with the engine's own functions", () => {
  it.each([
    ["Exp", Math.exp, -700, 700],
    ["Log", Math.log, 1e-9, 1e9],
    ["Sin", Math.sin, -1e15, 1e15],
    ["Cos", Math.cos, -1e15, 1e15],
    ["Atan", Math.atan, -100, 100],
    ["Tanh", Math.tanh, -20, 20],
    ["Expm1", Math.expm1, -20, 20],
    ["Log1p", Math.log1p, -0.9, 100],
    ["Asinh", Math.asinh, -100, 100],
  ] as const)("%s within 2 units in the last place", (name, f, lo, hi) => {
    for (const x of points(lo, hi, 2000, 99)) {
      const got = functions[name](x);
      expect(Math.abs(got - f(x))).toBeLessThanOrEqual(Math.abs(got) * 2 ** -51);
    }
  });
});

describe("special values", () => {
  const names = Object.keys(functions).filter(isElementary);

  it("passes NaN through every function", () => {
    for (const name of names) expect(functions[name](NaN), name).toBeNaN();
  });

  it("keeps the sign of zero where the function is odd", () => {
    const odd =
      "Asin Asinh Atan Atanh Erf Expm1 Gelu HardSwish Log1p Mish Sin Sinh Softsign Sqrt Swish Tan Tanh";
    for (const name of odd.split(" ").filter(isElementary)) {
      expect(functions[name](-0), name).toBe(-0);
      expect(functions[name](0), name).toBe(0);
    }
  });

  it.each([
    ["Exp", -Infinity, 0],
    ["Exp", Infinity, Infinity],
    ["Exp", 709.782712893384, 1.7976931348622732e308],
    ["Exp", 709.7827128933841, Infinity],
    ["Exp", -745.1332191019411, 5e-324],
    ["Exp", -745.1332191019412, 0],
    ["Exp", 1e308, Infinity],
    ["Exp", -1e308, 0],
    ["Exp", 5e-324, 1],
    ["Log", 0, -Infinity],
    ["Log", -0, -Infinity],
    ["Log", 1, 0],
    ["Log", -1, NaN],
    ["Log", -Infinity, NaN],
    ["Log", Infinity, Infinity],
    ["Log", 5e-324, -744.4400719213812],
    ["Log1p", -1, -Infinity],
    ["Log1p", -1.5, NaN],
    ["Log1p", 5e-324, 5e-324],
    ["Expm1", -Infinity, -1],
    ["Expm1", -1e300, -1],
    ["Sin", Infinity, NaN],
    ["Cos", -Infinity, NaN],
    ["Tan", Infinity, NaN],
    ["Atan", Infinity, 1.5707963267948966],
    ["Atan", -Infinity, -1.5707963267948966],
    ["Asin", 1.0000000000000002, NaN],
    ["Acos", 1, 0],
    ["Acosh", 0.9999999999999999, NaN],
    ["Acosh", Infinity, Infinity],
    ["Atanh", 1, Infinity],
    ["Atanh", -1, -Infinity],
    ["Atanh", 1.5, NaN],
    ["Asinh", -Infinity, -Infinity],
    ["Sinh", -Infinity, -Infinity],
    ["Sinh", 1e300, Infinity],
    ["Cosh", -Infinity, Infinity],
    ["Tanh", -Infinity, -1],
    ["Tanh", 1e300, 1],
    ["Erf", -Infinity, -1],
    ["Erf", 30, 1],
    ["Erfc", Infinity, 0],
    ["Erfc", 40, 0],
    ["Erfc", -40, 2],
    ["Sigmoid", -Infinity, 0],
    ["Sigmoid", -1e300, 0],
    ["Sigmoid", 1e300, 1],
    ["Softplus", 1e300, 1e300],
    ["Softplus", -1e300, 0],
    ["Gelu", -Infinity, -0],
    ["Gelu", Infinity, Infinity],
    ["Gelu", 1e300, 1e300],
    ["Gelu", -1e300, -0],
    ["Mish", -1e300, -0],
    ["Mish", 1e300, 1e300],
    ["Swish", -1e300, -0],
    ["Rsqrt", 0, Infinity],
    ["Rsqrt", Infinity, 0],
    ["Rsqrt", -1, NaN],
    ["Reciprocal", -0, -Infinity],
    ["HardSigmoid", -Infinity, 0],
    ["HardSigmoid", Infinity, 1],
    ["HardSwish", -5, -0],
    ["HardSwish", 3, 3],
    ["Elu", -Infinity, -1],
    ["Softsign", -Infinity, -1],
    ["Softsign", 1.7e308, 1],
    ["Round", 0.5, 0],
    ["Round", 1.5, 2],
    ["Round", -2.5, -2],
    ["Round", -0.5, -0],
    ["Round", 0.49999999999999994, 0],
    ["Round", 4503599627370497, 4503599627370497],
    ["Relu", -3, 0],
    ["ThresholdedRelu", 1, 0],
    ["ThresholdedRelu", 1.5, 1.5],
    ["Shrink", 0.25, 0],
  ] as const)("%s(%d) = %d", (name, x, want) => {
    expect(functions[name](x)).toBe(want);
  });

  it("takes the attributes of the operator", () => {
    expect(functions.LeakyRelu(-4, { alpha: 0.25 })).toBe(-1);
    expect(functions.ThresholdedRelu(1.5, { alpha: 2 })).toBe(0);
    expect(functions.HardSigmoid(1, { alpha: 0.25, beta: 0.25 })).toBe(0.5);
    expect(functions.Shrink(-3, { lambd: 1, bias: 0.5 })).toBe(-2.5);
    expect(functions.Elu(-1e9, { alpha: 2 })).toBe(-2);
    expect(functions.Celu(-1e9, { alpha: 2 })).toBe(-2);
  });

  it("refuses attributes that cannot be meant", () => {
    const refused = (f: () => unknown): void => {
      expect(f).toThrow(expect.objectContaining({ name: "CompileError", code: "BadAttribute" }));
    };
    refused(() => functions.Gelu(1, { approximate: "erf" }));
    refused(() => functions.LeakyRelu(-1, { alpha: NaN }));
    refused(() => functions.Elu(1, { alpha: "1" }));
    refused(() => functions.Celu(1, { alpha: 0 }));
  });
});

describe("pow", () => {
  it.each([
    [1, NaN, 1],
    [NaN, 0, 1],
    [NaN, 1, NaN],
    [2, NaN, NaN],
    [-1, Infinity, 1],
    [-1, -Infinity, 1],
    [0.5, Infinity, 0],
    [0.5, -Infinity, Infinity],
    [-2, Infinity, Infinity],
    [2, -Infinity, 0],
    [-8, 1 / 3, NaN],
    [-2, 3, -8],
    [-2, -3, -0.125],
    [-0, -3, -Infinity],
    [-0, 3, -0],
    [-0, 2, 0],
    [-0, -0.5, Infinity],
    [-Infinity, 3, -Infinity],
    [-Infinity, 0.5, Infinity],
    [-Infinity, -1, -0],
    [4, 0.5, 2],
    [2, 1023, 2 ** 1023],
    [2, 1024, Infinity],
    [2, -1074, 5e-324],
    [2, -1075, 0],
    [2, -1e300, 0],
    [2, 1e300, Infinity],
    [10, 22, 1e22],
    [10, 308, 1e308],
    [10, -5, 1e-5],
    [27, 1 / 3, 3],
    // 3^34 has 54 bits, so it lies halfway between two floats: …569 goes to the even …568.
    [3, 34, 16677181699666568],
    [9, 17, 16677181699666568],
  ])("pow(%d, %d) = %d", (x, y, want) => {
    expect(pow(x, y)).toBe(want);
  });

  it("rounds correctly against decimal.js", () => {
    const bases = points(1e-3, 50, 150, 7);
    const exponents = points(-20, 20, 150, 8);
    for (const [k, x] of bases.entries()) {
      const y = exponents[k] ?? 0;
      expect(pow(x, y), `pow(${x}, ${y})`).toBe(Number(D(x).pow(D(y)).toPrecision(60)));
    }
  });

  it("is accurate where the base is next to 1 and the exponent huge", () => {
    const x = 1 + 2 ** -52;
    expect(pow(x, 2 ** 52)).toBe(
      Number(
        D(x)
          .ln()
          .times(2 ** 52)
          .exp()
          .toPrecision(40),
      ),
    );
  });
});
