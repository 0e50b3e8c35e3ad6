/**
 * Small linear algebra.
 *
 * Matrices are 3 x 3, as row-major arrays of 9 numbers. Quaternions are arrays w, x, y, z. Angles are
 * radians unless a name says degrees.
 */

/**
 * Matrix product a b.
 * @param {number[]} a 9 numbers, row by row
 * @param {number[]} b 9 numbers, row by row
 * @returns {number[]} 9 numbers, row by row
 */
export function multiply(a, b) {
  const product = new Array(9).fill(0);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      for (let k = 0; k < 3; k++) {
        product[3 * row + column] += a[3 * row + k] * b[3 * k + column];
      }
    }
  }
  return product;
}

/**
 * Matrix times vector.
 * @param {number[]} m 9 numbers, row by row
 * @param {number[]} x 3 numbers
 * @returns {number[]} 3 numbers
 */
export function apply(m, x) {
  return [0, 1, 2].map((row) => m[3 * row] * x[0] + m[3 * row + 1] * x[1] + m[3 * row + 2] * x[2]);
}

/**
 * Rotation about the x axis.
 * @param {number} angle radians
 * @returns {number[]} rotation, 9 numbers
 */
export function rotationX(angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  return [1, 0, 0, 0, c, -s, 0, s, c];
}

/**
 * Rotation about the y axis.
 * @param {number} angle radians
 * @returns {number[]} rotation, 9 numbers
 */
export function rotationY(angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  return [c, 0, s, 0, 1, 0, -s, 0, c];
}

/**
 * Rotation about the z axis.
 * @param {number} angle radians
 * @returns {number[]} rotation, 9 numbers
 */
export function rotationZ(angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  return [c, -s, 0, s, c, 0, 0, 0, 1];
}

/**
 * The quaternion of a rotation about one coordinate axis.
 * @param {number} axis 0, 1 or 2 for x, y or z
 * @param {number} angle radians
 * @returns {number[]} quaternion w, x, y, z
 */
export function axisQuaternion(axis, angle) {
  const q = [Math.cos(angle / 2), 0, 0, 0];
  q[1 + axis] = Math.sin(angle / 2);
  return q;
}

/**
 * Hamilton product: the rotation q first, then p.
 * @param {number[]} p quaternion w, x, y, z
 * @param {number[]} q quaternion w, x, y, z
 * @returns {number[]} quaternion w, x, y, z
 */
export function multiplyQuaternions(p, q) {
  return [
    p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3],
    p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
    p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1],
    p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0],
  ];
}

/**
 * Limit a number to an interval.
 * @param {number} x any number
 * @param {number} low lowest result
 * @param {number} high highest result
 * @returns {number} x, or the end of the interval that it left
 */
export function clamp(x, low, high) {
  return Math.min(Math.max(x, low), high);
}

/**
 * Degrees to radians.
 * @param {number} degrees an angle
 * @returns {number} the same angle in radians
 */
export function radians(degrees) {
  return (degrees * Math.PI) / 180;
}
