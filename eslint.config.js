import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const NO_DEFAULT_EXPORT = [
  "ExportDefaultDeclaration, ExportSpecifier[exported.name='default']",
  "No default exports: name it.",
];
const NO_BARE_ERROR = [
  "ThrowStatement > :matches(NewExpression, CallExpression)[callee.name=/^(Error|TypeError|RangeError|SyntaxError)$/]",
  "Throw a typed error of src/core/errors.ts.",
];
const NO_FLOAT_POWER = [
  // A power of two literals is exact everywhere; any other float power may differ in its last bit.
  "BinaryExpression[operator='**']:not([left.bigint]):not([left.type='Literal'][right.type='Literal']), AssignmentExpression[operator='**=']",
  "A float power's last bit differs between engines: use `1 << k`, bigint `2n ** k` or a product.",
];

const restricted = (...rules) => [
  "error",
  ...rules.map(([selector, message]) => ({ selector, message })),
];

const TRANSCENDENTAL =
  "acos acosh asin asinh atan atan2 atanh cbrt cos cosh exp expm1 hypot log log10 log1p log2 pow sin sinh tan tanh".split(
    " ",
  );

export default defineConfig(
  globalIgnores([
    "dist/",
    "coverage/",
    "docs/",
    "src/tensor/simd/assembly/",
    "src/tensor/simd/generated/",
  ]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.recommended],
    languageOptions: {
      parserOptions: {
        project: "./tsconfig.tests.json",
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "@typescript-eslint/consistent-type-exports": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-restricted-syntax": restricted(NO_DEFAULT_EXPORT),
    },
  },
  {
    // The type checker knows the globals of scripts better than a list would.
    files: ["**/*.{js,mjs,cjs}"],
    rules: { "no-undef": "off" },
  },
  {
    rules: {
      eqeqeq: ["error", "always"],
      "prefer-const": "error",
      "no-console": "off",
    },
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-syntax": restricted(NO_DEFAULT_EXPORT, NO_BARE_ERROR),
    },
  },
  {
    files: ["src/{core,opcodes,module,vm,tensor,compiler}/**/*.ts"],
    rules: {
      "no-restricted-syntax": restricted(NO_DEFAULT_EXPORT, NO_BARE_ERROR, NO_FLOAT_POWER),
      "no-restricted-globals": [
        "error",
        { name: "Date", message: "Results may not depend on the clock." },
        { name: "performance", message: "Results may not depend on the clock." },
      ],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Results may not depend on chance." },
        { object: "globalThis", property: "Date", message: "Results may not depend on the clock." },
        ...TRANSCENDENTAL.map((property) => ({
          object: "Math",
          property,
          message: "Its last bit differs between engines.",
        })),
      ],
    },
  },
  {
    // Tools that demand a default export.
    files: ["*.config.{js,ts}"],
    rules: { "no-restricted-syntax": "off" },
  },
);
