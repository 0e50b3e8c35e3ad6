/** What art styles know of each Gaussian: its normal and regions, and where proportions push it. */

import { DataTexture, padToRows } from "./webgl.js";

const UNITS = { restMean: 4, surface: 8, push: 9 }; // of textures; 4 is the expression's own input
const REGIONS = 6;
const ZERO = 128; // of a normal's bytes

/** Two data textures, of which the second changes with the style. */
export class ArtSurface {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {number} n Gaussians
   * @param {object} art the header's art: styles, and pushStep, decimetres
   * @param {Object<string, ArrayLike<number>>} data the packet's arrays
   */
  constructor(gl, n, art, data) {
    Object.assign(this, { gl, n, art, data });
    const words = { internal: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
    const floats = { internal: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT };
    this.surface = new DataTexture(gl, UNITS.surface, words, n, packSurface(n, data));
    this.push = new DataTexture(gl, UNITS.push, floats, n);
    this.pushed = null; // the style whose proportions the texture holds
  }

  /**
   * Bind what the splats' shader reads for a style.
   * @param {string} name the style's
   * @param {Object<string, WebGLUniformLocation>} uniforms the program's uniforms
   * @param {DataTexture} restMeans means of the Gaussians at rest
   */
  bind(name, uniforms, restMeans) {
    for (const [uniform, unit] of Object.entries(UNITS)) this.gl.uniform1i(uniforms[uniform], unit);
    restMeans.bind();
    this.surface.bind();
    if (this.pushed === name) this.push.bind();
    else this.push.write(this.pushes(name));
    this.pushed = name;
  }

  pushes(name) {
    const codes = this.data[`push_${name}`];
    const out = new Float32Array(4 * this.n);
    if (codes) {
      for (let k = 0; k < 3 * this.n; k++) {
        out[4 * Math.floor(k / 3) + (k % 3)] = codes[k] * this.art.pushStep;
      }
    }
    return padToRows(out, 4, this.n);
  }
}

function packSurface(n, { normals, regions }) {
  const bytes = new Uint8Array(16 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) bytes[16 * i + c] = normals[3 * i + c] + ZERO;
    bytes.set(regions.subarray(REGIONS * i, REGIONS * (i + 1)), 16 * i + 4);
  }
  return padToRows(new Uint32Array(bytes.buffer), 4, n);
}
