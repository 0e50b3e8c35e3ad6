/**
 * Bundles src/ into static/viewer.js, the one file that ships. Its first line carries a hash of the sources,
 * which tests/test_viewer_bundle.py computes again to tell when the bundle is stale.
 */

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

/** SHA-256 over names and contents of the source modules in sorted order, a zero byte after each. */
function hashSources(folder) {
  const hash = createHash("sha256");
  const names = readdirSync(folder).filter((name) => name.endsWith(".js"));
  for (const name of names.sort()) {
    hash
      .update(name)
      .update("\0")
      .update(readFileSync(`${folder}/${name}`))
      .update("\0");
  }
  return hash.digest("hex");
}

await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/viewer.js"],
  outfile: "static/viewer.js",
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  banner: {
    js:
      `// sha256 of src/: ${hashSources(`${import.meta.dirname}/src`)}\n` +
      "// Bundled by `make viewer`: change stkit/viewers/src/, not this file.",
  },
});
