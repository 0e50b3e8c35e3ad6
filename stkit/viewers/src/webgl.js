/** WebGL 2 helpers: shader programs, and textures that hold one texel for each Gaussian. */

/** Texels in one row of a data texture; a power of two, so that shaders find a row by a shift. */
export const ROW = 1024;

/**
 * A compiled shader program and the places of its uniforms.
 * @typedef {object} Program
 * @property {WebGLProgram} program the linked program
 * @property {Object<string, WebGLUniformLocation>} uniforms locations by uniform name
 */

/**
 * Compile and link a program.
 * @param {WebGL2RenderingContext} gl the context
 * @param {string} vertex source of the vertex shader
 * @param {string} fragment source of the fragment shader
 * @returns {Program} the program
 * @throws {Error} the compiler's message, unless the context was lost meanwhile
 */
export function compileProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  attachShader(gl, program, gl.VERTEX_SHADER, vertex);
  attachShader(gl, program, gl.FRAGMENT_SHADER, fragment);
  gl.linkProgram(program);
  const uniforms = {};
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) || 0;
  for (let k = 0; k < count; k++) {
    const { name } = gl.getActiveUniform(program, k);
    uniforms[name.replace("[0]", "")] = gl.getUniformLocation(program, name);
  }
  return { program, uniforms };
}

function attachShader(gl, program, kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.attachShader(program, shader);
}

/**
 * Rows a data texture needs.
 * @param {number} count Gaussians
 * @returns {number} rows of ROW texels
 */
export function rowsFor(count) {
  return Math.ceil(count / ROW);
}

/**
 * A copy of an array that fills whole rows of a data texture, zeros at the end.
 * @template {Float32Array | Uint32Array | Int8Array} T
 * @param {T} array numbers, `channels` for each Gaussian
 * @param {number} channels numbers in one texel
 * @param {number} count Gaussians
 * @returns {T} the padded copy
 */
export function padToRows(array, channels, count) {
  const padded = new array.constructor(rowsFor(count) * ROW * channels);
  padded.set(array);
  return padded;
}

/** A texture that shaders read by index (texelFetch), tied to one texture unit. */
export class DataTexture {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {number} unit number of the texture unit
   * @param {{internal: number, format: number, type: number}} pixels WebGL's constants for one texel
   * @param {number} count Gaussians: texels in use
   * @param {ArrayBufferView | null} data texels in whole rows (see padToRows), or null to leave zeros
   */
  constructor(gl, unit, pixels, count, data = null) {
    this.gl = gl;
    this.unit = unit;
    this.pixels = pixels;
    this.rows = rowsFor(count);
    this.texture = createNearestTexture(gl, unit, gl.TEXTURE_2D);
    gl.texStorage2D(gl.TEXTURE_2D, 1, pixels.internal, ROW, this.rows);
    if (data) this.write(data);
  }

  /** Bind the texture to its unit. */
  bind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.texture);
  }

  /** Unbind whatever is on this texture's unit. */
  unbind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, null);
  }

  /**
   * Bind the texture and replace its texels.
   * @param {ArrayBufferView} data texels in whole rows
   */
  write(data) {
    const { gl, pixels, rows } = this;
    this.bind();
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ROW, rows, pixels.format, pixels.type, data);
  }
}

/** Data textures of int8 texels laid over each other, one layer for each array. */
export class LayeredTexture {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {number} unit number of the texture unit
   * @param {number} count Gaussians: texels in use in each layer
   * @param {Int8Array[]} layers texels of 4 numbers, in whole rows; one empty layer where there is none
   */
  constructor(gl, unit, count, layers) {
    const rows = rowsFor(count);
    const kind = gl.TEXTURE_2D_ARRAY;
    this.gl = gl;
    this.unit = unit;
    this.texture = createNearestTexture(gl, unit, kind);
    gl.texStorage3D(kind, 1, gl.RGBA8I, ROW, rows, Math.max(layers.length, 1));
    layers.forEach((layer, k) => {
      gl.texSubImage3D(kind, 0, 0, 0, k, ROW, rows, 1, gl.RGBA_INTEGER, gl.BYTE, layer);
    });
  }

  /** Bind the texture to its unit. */
  bind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D_ARRAY, this.texture);
  }
}

function createNearestTexture(gl, unit, kind) {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(kind, texture);
  gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return texture;
}
