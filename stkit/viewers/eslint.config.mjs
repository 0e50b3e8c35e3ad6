import js from "@eslint/js";
import jsdoc from "eslint-plugin-jsdoc";
import globals from "globals";

export default [
  { ignores: ["static/", "node_modules/"] },
  js.configs.recommended,
  {
    files: ["src/**/*.js"],
    languageOptions: { globals: globals.browser },
    plugins: { jsdoc },
    rules: {
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 50],
      complexity: ["error", 12],
      "prefer-const": "error",
      "no-var": "error",
      eqeqeq: "error",
      "jsdoc/require-jsdoc": ["error", { publicOnly: true }],
      "jsdoc/require-param": "error",
      "jsdoc/check-param-names": "error",
    },
  },
  { files: ["*.mjs"], languageOptions: { globals: globals.node } },
];
