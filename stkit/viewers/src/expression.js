/** Facial expression on the GPU: Gaussians at rest plus the packet's linear basis. */

import { EXPRESSION_FRAGMENT, EXPRESSION_VERTEX } from "./expression_shaders.js";
import { DataTexture, LayeredTexture, ROW, compileProgram, padToRows, rowsFor } from "./webgl.js";

/** Texture units. The splats' shader reads the first three, this one the others. */
export const UNITS = {
  meanAndColor: 0,
  shape: 1,
  order: 2,
  basis: 3,
  meanAndDistance: 4,
  logScalesAndFollow: 5,
  quats: 6,
  rgba: 7,
};
const INPUTS = ["meanAndDistance", "logScalesAndFollow", "quats", "rgba"];
const OUTPUTS = ["meanAndColor", "shape"];

/** The two textures of each look that hold its Gaussians as they are now. */
export class Expression {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {object} header the packet's header
   * @param {Object<string, Int8Array>} data the packet's arrays
   * @param {import("./splat_data.js").Look[]} looks Gaussians at rest
   */
  constructor(gl, header, data, looks) {
    const n = header.count;
    this.gl = gl;
    this.header = header;
    this.rows = rowsFor(n);
    this.program = compileProgram(gl, EXPRESSION_VERTEX, EXPRESSION_FRAGMENT);
    this.layerNames = ["means", ...looks.flatMap((_, k) => lookNames(k))];
    const layers = header.components.flatMap((component) =>
      this.layerNames.map((name) => {
        const start = component.starts[name];
        const rows = data[`basis_${name}`].subarray(start, start + 4 * component.rows);
        return padToRows(rows, 4, n);
      }),
    );
    this.basis = new LayeredTexture(gl, UNITS.basis, n, layers);
    this.looks = looks.map((look) => createLook(gl, n, look));
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.current = null;
  }

  /**
   * Make the textures show an expression, unless they do already.
   * @param {number[]} coefficients one for each component
   * @returns {boolean} whether they have changed
   */
  update(coefficients) {
    const wanted = coefficients.join();
    if (this.current === wanted) return false;
    this.current = wanted;
    const { gl } = this;
    const { program, uniforms } = this.program;
    gl.useProgram(program);
    gl.disable(gl.BLEND);
    gl.disable(gl.SCISSOR_TEST);
    gl.disable(gl.DEPTH_TEST);
    gl.viewport(0, 0, ROW, this.rows);
    for (const name of [...INPUTS, "basis"]) gl.uniform1i(uniforms[name], UNITS[name]);
    gl.uniform1i(uniforms.components, this.header.components.length);
    gl.uniform1i(uniforms.layersPerComponent, this.layerNames.length);
    this.basis.bind();
    this.looks.forEach((look, k) => this.updateLook(look, k, coefficients));
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return true;
  }

  updateLook(look, k, coefficients) {
    const { gl } = this;
    const { uniforms } = this.program;
    const names = ["means", ...lookNames(k)];
    const factors = this.header.components.flatMap(({ steps }, c) =>
      names.map((name) => coefficients[c] * steps[name]),
    );
    if (factors.length) gl.uniform4fv(uniforms.factors, factors);
    gl.uniform1i(uniforms.look, k);
    for (const output of look.outputs) output.unbind(); // not read while it is written
    for (const input of look.inputs) input.bind();
    gl.bindFramebuffer(gl.FRAMEBUFFER, look.framebuffer);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /**
   * Write a look's Gaussians at rest anew.
   * @param {number} k number of the look
   * @param {import("./splat_data.js").Look} look its arrays
   */
  rewrite(k, look) {
    this.looks[k].inputs.forEach((input, i) => input.write(look[INPUTS[i]]));
    this.current = null;
  }

  /**
   * The texture of a look's means at rest.
   * @param {number} k number of the look
   * @returns {DataTexture} canonical means; distances to the nearest landmark
   */
  restMeans(k) {
    return this.looks[k].inputs[INPUTS.indexOf("meanAndDistance")];
  }

  /**
   * Bind the textures that the splats' shader reads.
   * @param {number} k number of the look
   */
  bindLook(k) {
    for (const output of this.looks[k].outputs) output.bind();
  }
}

function lookNames(k) {
  return [`log_scales${k}`, `quats${k}`, `rgba${k}`];
}

function createLook(gl, n, look) {
  const floats = { internal: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT };
  const integers = { internal: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
  const inputs = INPUTS.map((name) => new DataTexture(gl, UNITS[name], floats, n, look[name]));
  const outputs = OUTPUTS.map((name) => new DataTexture(gl, UNITS[name], integers, n));
  const framebuffer = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  outputs.forEach(({ texture }, k) => {
    const attachment = gl.COLOR_ATTACHMENT0 + k;
    gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, texture, 0);
  });
  gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.COLOR_ATTACHMENT1]);
  return { inputs, outputs, framebuffer };
}
