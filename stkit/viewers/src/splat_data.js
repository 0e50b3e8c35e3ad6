/** Gaussians at rest, decoded from the integers that Python packed (stkit.viewers.packing). */

import { padToRows } from "./webgl.js";

/**
 * The arrays of one look (the head, or the edited head), 4 numbers for each Gaussian, padded to whole
 * texture rows.
 * @typedef {object} Look
 * @property {Float32Array} meanAndDistance canonical mean; distance to the nearest landmark, decimetres
 * @property {Float32Array} logScalesAndFollow logarithms of scales (decimetres); how far it follows the head
 * @property {Float32Array} quats w, x, y, z, not quite of unit length
 * @property {Float32Array} rgba colour and opacity, 0 to 255
 */

/**
 * Integers to numbers: low + code * step, for each of `width` columns.
 * @param {Uint16Array} codes (N * width) integers
 * @param {number} width columns
 * @param {number[]} low lowest value of each column
 * @param {number[]} step what one integer counts, for each column
 * @returns {Float32Array} (N * width) numbers
 */
function dequantize(codes, width, low, step) {
  return Float32Array.from(codes, (code, k) => low[k % width] + code * step[k % width]);
}

/**
 * Means of the first look at rest.
 * @param {object} header the packet's header
 * @param {Object<string, ArrayLike<number>>} data the packet's arrays
 * @returns {Float32Array} (3 N), canonical decimetres
 */
export function decodeMeans(header, data) {
  return dequantize(data.means, 3, header.meanLow, header.meanStep);
}

/**
 * How far each Gaussian follows the head: 1 on the head, 0 on the chest.
 * @param {Object<string, ArrayLike<number>>} data the packet's arrays
 * @returns {Float32Array} (N)
 */
export function decodeFollow(data) {
  return Float32Array.from(data.follow, (code) => code / 255);
}

/**
 * Everything that the shaders need of one look at rest.
 * @param {object} header the packet's header
 * @param {Object<string, ArrayLike<number>>} data the packet's arrays
 * @param {number} k number of the look
 * @param {Float32Array} means (3 N) of the first look, see decodeMeans
 * @param {Float32Array} follow (N), see decodeFollow
 * @returns {Look} the look's arrays
 */
export function decodeLook(header, data, k, means, follow) {
  const n = header.count;
  const logScales = dequantize(data[`log_scales${k}`], 3, header.logScaleLow, header.logScaleStep);
  const offset = data[`offset${k}`]; // of the edited means from the head's
  const meanAndDistance = new Float32Array(4 * n);
  const logScalesAndFollow = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) {
      const moved = offset ? offset[3 * i + c] * header.offsetStep : 0;
      meanAndDistance[4 * i + c] = means[3 * i + c] + moved;
      logScalesAndFollow[4 * i + c] = logScales[3 * i + c];
    }
    meanAndDistance[4 * i + 3] = data.distance[i] * header.distanceStep;
    logScalesAndFollow[4 * i + 3] = follow[i];
  }
  const quats = Float32Array.from(data[`quats${k}`], (code) => code / 127);
  const rgba = Float32Array.from(data[`rgba${k}`]);
  return {
    meanAndDistance: padToRows(meanAndDistance, 4, n),
    logScalesAndFollow: padToRows(logScalesAndFollow, 4, n),
    quats: padToRows(quats, 4, n),
    rgba: padToRows(rgba, 4, n),
  };
}

/**
 * Other Gaussians in a look's arrays; distances and how far each follows the head stay.
 * @param {Look} look the arrays
 * @param {Object<string, Float32Array | Uint8Array>} data means (3 N), log_scales (3 N), quats (4 N), rgba (4 N)
 */
export function replaceAtRest(look, data) {
  const n = data.rgba.length / 4;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) {
      look.meanAndDistance[4 * i + c] = data.means[3 * i + c];
      look.logScalesAndFollow[4 * i + c] = data.log_scales[3 * i + c];
    }
  }
  look.quats.set(data.quats);
  look.rgba.set(data.rgba);
}
