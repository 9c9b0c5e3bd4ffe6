// What an entry point loads when it starts: type imports and lazy `import()` left out. A node that
// only runs modules loads neither the compiler nor tfjs nor onnxruntime.
module.exports = {
  forbidden: [
    {
      name: "light-entry-points",
      severity: "error",
      from: { path: "^src/(index|(vm|module|tensor/(reference|simd))/index)\\.ts$" },
      to: {
        path: "^src/(compiler|analysis|cli|tensor/tfjs)/|node_modules/(@tensorflow|onnxruntime-web|protobufjs|decimal\\.js)/",
        reachable: true,
      },
    },
    {
      name: "lazy-onnxruntime",
      comment: "An optional peer: ask for it by name when it is missing.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "node_modules/onnxruntime-web/" },
    },
    {
      name: "lazy-tfjs",
      comment: "Loaded only when chosen.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/tensor/tfjs/" },
      to: { path: "^src/tensor/tfjs/|node_modules/@tensorflow/" },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: false,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/tensor/simd/assembly/", dynamic: true },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "types"] },
  },
};
