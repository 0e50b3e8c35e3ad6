/** Art styles on Gaussians: a G-buffer to splat into, and the pass that draws a style from it. */

import { ART_FRAGMENT, ART_VERTEX, PATTERN_NUMBERS, REGION_COUNT } from "./art_shaders.js";
import { compileProgram } from "./webgl.js";

/** Pictures of the G-buffer, in the order of the splats' outputs, and the units they are read from. */
const PICTURES = ["colours", "normals", "places", "regionsOne", "regionsTwo"];
const FIRST_UNIT = 10;
const EMPTY = [0, 0, 0, 0];

/** A G-buffer of half floats and the program that draws from it. */
export class ArtPass {
  /**
   * A pass, where the context can draw to five pictures of floats at once.
   * @param {WebGL2RenderingContext} gl the context
   * @returns {ArtPass | null} null where it cannot
   */
  static create(gl) {
    const floats = gl.getExtension("EXT_color_buffer_float");
    const enough = gl.getParameter(gl.MAX_DRAW_BUFFERS) >= PICTURES.length;
    return floats && enough ? new ArtPass(gl) : null;
  }

  /** @param {WebGL2RenderingContext} gl a context that can draw to five pictures of floats */
  constructor(gl) {
    this.gl = gl;
    this.program = compileProgram(gl, ART_VERTEX, ART_FRAGMENT);
    this.framebuffer = gl.createFramebuffer();
    this.textures = PICTURES.map(() => gl.createTexture());
    this.width = 0;
  }

  /**
   * Splat here from now on, into empty pictures.
   * @param {number} width pixels
   * @param {number} height pixels
   */
  begin(width, height) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    if (this.width !== width) this.resize(width, height);
    PICTURES.forEach((_, k) => gl.clearBufferfv(gl.COLOR, k, k ? EMPTY : [1, 1, 1, 0]));
  }

  resize(width, height) {
    const { gl } = this;
    this.width = width;
    this.textures.forEach((texture, k) => {
      gl.activeTexture(gl.TEXTURE0 + FIRST_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.HALF_FLOAT, null);
      for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
        gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
      }
      for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
        gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
      }
      const attachment = gl.COLOR_ATTACHMENT0 + k;
      gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, texture, 0);
    });
    gl.drawBuffers(PICTURES.map((_, k) => gl.COLOR_ATTACHMENT0 + k));
  }

  /**
   * Draw the G-buffer in a style to the canvas.
   * @param {object} style one of the header's styles
   * @param {object[]} own the head's own colours by region, see the header
   * @param {{degree: number, transfer: number}} amounts of structure and of colour, 0 to 1
   * @param {number} pixelWidth canonical decimetres
   * @param {number} width pixels
   * @param {number} height pixels
   */
  finish(style, own, amounts, pixelWidth, width, height) {
    const { gl } = this;
    const { program, uniforms } = this.program;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.BLEND);
    gl.disable(gl.SCISSOR_TEST);
    gl.useProgram(program);
    PICTURES.forEach((name, k) => {
      gl.activeTexture(gl.TEXTURE0 + FIRST_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[k]);
      gl.uniform1i(uniforms[name], FIRST_UNIT + k);
    });
    gl.uniform2f(uniforms.size, width, height);
    gl.uniform1f(uniforms.pixelWidth, pixelWidth);
    this.setStyle(style, own, amounts);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    for (let k = 0; k < PICTURES.length; k++) {
      gl.activeTexture(gl.TEXTURE0 + FIRST_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, null); // not read while it is written
    }
  }

  setStyle(style, own, { degree, transfer }) {
    const { gl } = this;
    const { uniforms } = this.program;
    const mixed = regionUniforms(style, own, transfer);
    gl.uniformMatrix3fv(uniforms.matrices, true, mixed.matrices);
    gl.uniform3fv(uniforms.offsets, mixed.offsets);
    gl.uniform3fv(uniforms.means, mixed.means);
    gl.uniform3fv(uniforms.directions, mixed.directions);
    gl.uniform1fv(uniforms.sizes, mixed.sizes);
    for (const name of ["depth", "period", "ink", "inkWidth", "detail"]) {
      gl.uniform1f(uniforms[name], style[name]);
    }
    gl.uniform1f(uniforms.degree, degree);
    gl.uniform1i(uniforms.tones, style.tones);
    gl.uniform1i(uniforms.pattern, PATTERN_NUMBERS[style.pattern]);
    gl.uniform3fv(uniforms.inkColour, style.inkColour);
  }
}

const LUMA = [0.299, 0.587, 0.114];
const RANGE = 3; // deviations of brightness from the darkest to the lightest tone

/**
 * Colour maps and tones of all regions, between the head's own (transfer 0) and the style's (1).
 * @param {object} style one of the header's styles
 * @param {({mean: number[], covariance: number[]} | null)[]} own by region; null: the head has none
 * @param {number} transfer 0 to 1
 * @returns {{matrices: number[], offsets: number[], means: number[], directions: number[], sizes: number[]}}
 *   numbers of all regions, one after another
 */
export function regionUniforms(style, own, transfer) {
  const out = { matrices: [], offsets: [], means: [], directions: [], sizes: [] };
  for (let k = 0; k < REGION_COUNT; k++) {
    const mine = own[k];
    if (!mine) {
      appendRegion(out, identity(0), [0, 0, 0], [0, 0, 0], [0, 0, 0], 0);
      continue;
    }
    const target = style.regions[k] ?? { ...mine, matrix: identity(1) };
    const matrix = blend(identity(1), target.matrix, transfer);
    const mean = blend(mine.mean, target.mean, transfer);
    const covariance = blend(mine.covariance, target.covariance, transfer);
    const moved = multiply(matrix, mine.mean);
    const offset = mean.map((value, c) => value - moved[c]);
    const change = multiply(covariance, LUMA);
    const variance = change.reduce((sum, value, c) => sum + value * LUMA[c], 0);
    const direction = change.map((value) => value / variance);
    appendRegion(out, matrix, offset, mean, direction, RANGE * Math.sqrt(variance));
  }
  return out;
}

function appendRegion(out, matrix, offset, mean, direction, size) {
  out.matrices.push(...matrix);
  out.offsets.push(...offset);
  out.means.push(...mean);
  out.directions.push(...direction);
  out.sizes.push(size);
}

function identity(one) {
  return [one, 0, 0, 0, one, 0, 0, 0, one];
}

function blend(a, b, share) {
  return a.map((value, k) => value + share * (b[k] - value));
}

function multiply(matrix, x) {
  return [0, 3, 6].map((r) => matrix[r] * x[0] + matrix[r + 1] * x[1] + matrix[r + 2] * x[2]);
}
