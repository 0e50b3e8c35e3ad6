/** Gaussians, drawn back to front; one look left of the wipe, the other right of it. */

import { ArtPass } from "./art_pass.js";
import { ArtSurface } from "./art_surface.js";
import { DepthSort } from "./depth_sort.js";
import { Expression, UNITS } from "./expression.js";
import { HalfFloatTarget } from "./half_float_target.js";
import { clamp } from "./math.js";
import { expressionCoefficients, placement } from "./motion.js";
import { decodeFollow, decodeLook, decodeMeans, replaceAtRest } from "./splat_data.js";
import { OVERLAYS, SPLAT_FRAGMENT, SPLAT_VERTEX, withArt } from "./splat_shaders.js";
import { setWeightUniforms } from "./weight_shader.js";
import { DataTexture, compileProgram, padToRows } from "./webgl.js";

/** Added to the variance of each Gaussian in the picture (pixels squared), as in stkit.render. */
const BLUR = 0.3;

/** A layer for Stage: what it draws for packets of kind "splats". */
export class Splats {
  antialias = false; // Gaussians have soft edges

  /**
   * @param {object} header the packet's header
   * @param {Object<string, ArrayLike<number>>} data the packet's arrays
   */
  constructor(header, data) {
    const n = header.count;
    const means = decodeMeans(header, data);
    const follow = decodeFollow(data);
    this.n = n;
    this.header = header;
    this.data = data;
    this.looks = header.looks.map((_, k) => decodeLook(header, data, k, means, follow));
    this.order = padToRows(new Uint32Array(n), 1, n);
    this.depthSort = new DepthSort(means, follow, data.basis_means, header.components, this.order);
    this.milliseconds = 0; // of sorting and expression in JavaScript, at the last draw
  }

  /**
   * Put everything on the GPU.
   * @param {WebGL2RenderingContext} gl a fresh context
   */
  attach(gl) {
    this.gl = gl;
    this.program = compileProgram(gl, SPLAT_VERTEX, SPLAT_FRAGMENT);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rectangleIndices(this.n), gl.STATIC_DRAW);
    const indices = { internal: gl.R32UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_INT };
    this.orderTexture = new DataTexture(gl, UNITS.order, indices, this.n);
    this.expression = new Expression(gl, this.header, this.data, this.looks);
    this.target = HalfFloatTarget.create(gl);
    this.art = this.header.art ? ArtPass.create(gl) : null;
    if (this.art) {
      this.artProgram = compileProgram(gl, withArt(SPLAT_VERTEX), withArt(SPLAT_FRAGMENT));
      this.surface = new ArtSurface(gl, this.n, this.header.art, this.data);
    }
    this.depthSort.invalidate();
  }

  /**
   * Show other Gaussians at rest in a look's place; their expression stays.
   * @param {number} k number of the look
   * @param {Object<string, Float32Array | Uint8Array>} data means, log_scales, quats and rgba
   */
  replaceLook(k, data) {
    replaceAtRest(this.looks[k], data);
    if (!this.gl) return;
    this.expression.rewrite(k, this.looks[k]);
    this.depthSort.invalidate();
  }

  /**
   * Draw the Gaussians as a state says.
   * @param {import("./orbit_camera.js").Camera} camera world to camera
   * @param {object} state see scene.js
   * @param {number} width pixels
   * @param {number} height pixels
   */
  draw(camera, state, width, height) {
    const { gl } = this;
    const place = placement(this.data.motion, state);
    this.prepare(camera, place, state);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const style = this.art && this.header.art.styles.find(({ name }) => name === state.style);
    if (style) this.drawInStyle(style, camera, place, state, width, height);
    else this.drawPlainly(camera, place, state, width, height);
  }

  drawPlainly(camera, place, state, width, height) {
    const { gl, target } = this;
    if (target) target.bind(width, height);
    const ground = state.overlay === "raw" ? 0 : 1;
    gl.clearColor(ground, ground, ground, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.useProgram(this.program, camera, place, state, width, height);
    this.drawLooks(state, width, height);
    if (target) target.copyToCanvas(width, height);
  }

  drawInStyle(style, camera, place, state, width, height) {
    const { gl, art, header } = this;
    art.begin(width, height);
    this.useProgram(this.artProgram, camera, place, { ...state, overlay: "none" }, width, height);
    this.surface.bind(style.name, this.artProgram.uniforms, this.expression.restMeans(0));
    gl.uniform1f(this.artProgram.uniforms.degree, state.degree);
    this.drawLook(0);
    const amounts = { degree: state.degree, transfer: state.transfer };
    const pixel = headDistance(camera, place) / camera.K[0] / header.scale;
    art.finish(style, header.art.own, amounts, pixel, width, height);
  }

  prepare(camera, place, state) {
    const begun = performance.now();
    const coefficients = expressionCoefficients(this.header, this.data.coefficients, state);
    if (this.expression.update(coefficients)) this.depthSort.invalidate();
    if (this.depthSort.sort(camera, place, coefficients)) this.orderTexture.write(this.order);
    this.milliseconds = performance.now() - begun;
  }

  useProgram(program, camera, place, state, width, height) {
    const { gl, header } = this;
    const { uniforms } = program;
    gl.useProgram(program.program);
    this.orderTexture.bind();
    for (const name of ["meanAndColor", "shape", "order"]) {
      gl.uniform1i(uniforms[name], UNITS[name]);
    }
    for (const name of ["head", "chest"]) {
      gl.uniformMatrix3fv(uniforms[name], true, place[name]);
      gl.uniform3fv(uniforms[`${name}T`], place[`${name}T`]);
      gl.uniform4fv(uniforms[`${name}Q`], place[`${name}Q`]);
    }
    gl.uniformMatrix3fv(uniforms.view, true, camera.R);
    gl.uniform3fv(uniforms.viewT, camera.t);
    gl.uniform4fv(uniforms.K, camera.K);
    gl.uniform2f(uniforms.size, width, height);
    gl.uniform1f(uniforms.scale, header.scale);
    gl.uniform1f(uniforms.eps, BLUR * Math.max(1, width / header.camera.width) ** 2);
    gl.uniform1i(uniforms.overlay, OVERLAYS[state.overlay] ?? OVERLAYS.none);
    setWeightUniforms(gl, uniforms, state);
  }

  drawLooks(state, width, height) {
    const { gl } = this;
    const wipe = Math.round(clamp(state.wipe, 0, 1) * width);
    const edge = this.looks.length < 2 ? width : wipe;
    gl.enable(gl.SCISSOR_TEST);
    if (edge > 0) {
      gl.scissor(0, 0, edge, height);
      this.drawLook(0);
    }
    if (edge < width) {
      gl.scissor(edge, 0, width - edge, height);
      this.drawLook(1);
    }
    gl.disable(gl.SCISSOR_TEST);
  }

  drawLook(k) {
    const { gl } = this;
    this.expression.bindLook(k);
    gl.drawElements(gl.TRIANGLES, 6 * this.n, gl.UNSIGNED_INT, 0);
  }
}

// from the camera to where the head's own space begins, world decimetres
function headDistance({ R, t }, { headT }) {
  const at = [0, 3, 6].map(
    (r, c) => R[r] * headT[0] + R[r + 1] * headT[1] + R[r + 2] * headT[2] + t[c],
  );
  return Math.hypot(...at);
}

// two triangles for each Gaussian, over its four vertices
function rectangleIndices(count) {
  const indices = new Uint32Array(6 * count);
  for (let k = 0; k < count; k++) {
    const first = 4 * k;
    indices.set([first, first + 1, first + 2, first + 2, first + 1, first + 3], 6 * k);
  }
  return indices;
}
