/** Where head and chest are in a frame, and which expression the face has. */

import {
  axisQuaternion,
  clamp,
  multiply,
  multiplyQuaternions,
  radians,
  rotationX,
  rotationY,
  rotationZ,
} from "./math.js";

/** Numbers in one frame of `motion`: rotation 9, translation 3, quaternion 4, of the head and of the chest. */
const FRAME = 32;

/**
 * Rigid motions from canonical space to the world. Rotations are scaled (world decimetres per canonical
 * decimetre), quaternions w, x, y, z are not, translations are decimetres.
 * @typedef {object} Placement
 * @property {number[]} head 9 numbers, row by row
 * @property {number[]} headT 3 numbers
 * @property {number[]} headQ quaternion
 * @property {number[]} chest 9 numbers, row by row
 * @property {number[]} chestT 3 numbers
 * @property {number[]} chestQ quaternion
 */

/**
 * Head and chest in the state's frame, or as `state.live` has them, the head turned further by the state's pose.
 * @param {Float32Array} motion (32 F), see FRAME
 * @param {{frame: number, pose: number[]}} state frame, rounded and clamped; pose: yaw, pitch, roll in degrees
 * @returns {Placement} the rigid motions
 */
export function placement(motion, state) {
  const rows = state.live ? state.live.motion : motion;
  const start = FRAME * clamp(Math.round(state.frame || 0), 0, rows.length / FRAME - 1);
  const read = (from, count) => Array.from(rows.subarray(start + from, start + from + count));
  const [yaw, pitch, roll] = (state.pose || [0, 0, 0]).map(radians);
  const turn = multiply(multiply(rotationY(yaw), rotationX(pitch)), rotationZ(roll));
  const turnQ = multiplyQuaternions(
    multiplyQuaternions(axisQuaternion(1, yaw), axisQuaternion(0, pitch)),
    axisQuaternion(2, roll),
  );
  return {
    head: multiply(read(0, 9), turn),
    headT: read(9, 3),
    headQ: multiplyQuaternions(read(12, 4), turnQ),
    chest: read(16, 9),
    chestT: read(25, 3),
    chestQ: read(28, 4),
  };
}

/**
 * Coefficients of the packet's components: those of the clip's frame, then the sliders' positions; or those of
 * `state.live`.
 * @param {object} header the packet's header
 * @param {Float32Array | undefined} clipCoefficients (frames * clip components)
 * @param {{frame: number, sliders: Object<string, number>}} state frame and slider positions by name
 * @returns {number[]} one number for each component
 */
export function expressionCoefficients(header, clipCoefficients, state) {
  if (state.live) return state.live.coefficients;
  const { clip, components, sliders } = header;
  const own = clip ? clip.components : 0;
  const frame = clip ? clamp(Math.round(state.frame || 0), 0, clip.frames - 1) : 0;
  const coefficients = new Array(components.length).fill(0);
  for (let k = 0; k < own; k++) coefficients[k] = clipCoefficients[frame * own + k];
  sliders.forEach((slider, k) => {
    coefficients[own + k] = (state.sliders || {})[slider.name] || 0;
  });
  return coefficients;
}
