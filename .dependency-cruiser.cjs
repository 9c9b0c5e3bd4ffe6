// Who may import whom: the table of ARCHITECTURE.md, type imports and lazy imports included.
// `.dependency-cruiser-runtime.cjs` checks what each entry point loads when it starts.

/** Folder -> the folders of `src` that it may import, besides itself. */
const ALLOWED = {
  core: [],
  opcodes: ["core/"],
  module: ["core/", "opcodes/"],
  tensor: ["core/"],
  vm: ["core/", "opcodes/", "module/", "tensor/[^/]+$"], // only tensor's kernel interface
  compiler: ["core/", "opcodes/", "module/"],
  analysis: ["compiler/", "vm/", "core/", "opcodes/", "module/", "tensor/"],
  conformance: ["vm/", "module/", "core/", "tensor/[^/]+$"],
};

const layers = Object.entries(ALLOWED).map(([folder, others]) => ({
  name: `${folder}-imports`,
  comment: `src/${folder} may import only: ${[folder, ...others].join(", ")}`,
  severity: "error",
  from: { path: `^src/${folder}/` },
  to: { path: "^src/", pathNot: [folder + "/", ...others].map((path) => `^src/${path}`) },
}));

/** npm package -> where it may be imported. */
const HOMES = {
  "@tensorflow": "^src/tensor/tfjs/",
  "onnxruntime-web": "^src/(compiler|analysis|cli)/",
  protobufjs: "^src/(compiler|cli)/",
  "decimal\\.js": "^src/compiler/",
  msgpackr: "^src/module/",
  "@noble/hashes": "^src/(core|module)/",
  fflate: "^src/(analysis|cli)/",
  commander: "^src/cli/",
  "cli-progress": "^src/cli/",
};

const homes = Object.entries(HOMES).map(([name, home]) => ({
  name: `home-of-${name.replace(/\W+/g, "-")}`,
  comment: `${name} is imported only under ${home}`,
  severity: "error",
  from: { path: "^src/", pathNot: home },
  to: { path: `node_modules/(@types/)?${name}/` },
}));

module.exports = {
  forbidden: [
    ...layers,
    ...homes,
    {
      name: "known-packages",
      comment: "A new dependency needs a home in this file.",
      severity: "error",
      from: { path: "^src/" },
      to: {
        path: "node_modules/",
        pathNot: Object.keys(HOMES).map((name) => `node_modules/(@types/)?${name}/`),
      },
    },
    {
      name: "tensor-backends",
      comment: "The kernel interface knows no backend; `reference` knows none, `simd` not `tfjs`.",
      severity: "error",
      from: { path: "^src/tensor/([^/]+$|reference/)" },
      to: { path: "^src/tensor/(simd|tfjs)/" },
    },
    {
      name: "simd-not-tfjs",
      severity: "error",
      from: { path: "^src/tensor/simd/" },
      to: { path: "^src/tensor/tfjs/" },
    },
    {
      name: "no-node-builtins",
      comment: "What a node embeds also runs in a browser.",
      severity: "error",
      from: {
        path: "^src/(core|opcodes|module|vm|conformance|tensor/reference|tensor/simd|[^/]+$)",
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "no-barrels",
      comment: "Only the entry points and the instruction table are called index.ts.",
      severity: "error",
      from: {},
      to: {
        path: "^src/.*index\\.ts$",
        pathNot:
          "^src/((opcodes|vm|compiler|analysis|module|tensor/(reference|simd|tfjs))/)?index\\.ts$",
      },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "resolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "declared",
      comment: "src must not depend on what users do not install.",
      severity: "error",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"],
        dependencyTypesNot: ["npm-peer", "npm-optional", "type-only"],
      },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/tensor/simd/assembly/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "types"] },
  },
};
