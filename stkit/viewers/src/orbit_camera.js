/** A camera that turns around a pivot: from what a person dragged to the OpenCV camera that layers draw with. */

import { apply, clamp, multiply, rotationX, rotationY } from "./math.js";

const MAX_PITCH = 1.4; // radians
const MIN_ZOOM = -1.5;
const MAX_ZOOM = 1.8;

/**
 * An OpenCV camera.
 * @typedef {object} Camera
 * @property {number[]} R rotation from the world to the camera, 9 numbers
 * @property {number[]} t translation, decimetres
 * @property {number[]} K fx, fy, cx, cy in pixels of the canvas
 */

/** How the camera was moved from where the packet's header puts it. */
export class OrbitCamera {
  /**
   * @param {{viewmat: number[], K: number[], width: number}} base the header's camera: viewmat (16) and K (9),
   *   row by row; width in pixels
   * @param {number[]} pivot the point to turn around, world decimetres
   */
  constructor(base, pivot) {
    this.base = base;
    this.pivot = pivot;
    this.distance = 0; // of the pivot from the camera, decimetres, when `camera` was last asked
    this.reset();
  }

  /** Back to the header's camera. */
  reset() {
    this.yaw = 0; // radians
    this.pitch = 0; // radians
    this.zoom = 0; // natural logarithm of how much nearer the pivot is
    this.x = 0; // decimetres by which the pivot was moved to the right
    this.y = 0; // decimetres downwards
  }

  /**
   * Turn.
   * @param {number} yaw radians
   * @param {number} pitch radians; what lies beyond +-1.4 in all is lost
   */
  orbit(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = clamp(this.pitch + pitch, -MAX_PITCH, MAX_PITCH);
  }

  /**
   * Move sideways, so that the pivot follows a pointer.
   * @param {number} dx CSS pixels to the right
   * @param {number} dy CSS pixels downwards
   * @param {number} width the canvas's, CSS pixels
   */
  pan(dx, dy, width) {
    const perPixel = ((this.distance / this.base.K[0]) * this.base.width) / width;
    this.x += dx * perPixel;
    this.y += dy * perPixel;
  }

  /**
   * Come nearer, or go away.
   * @param {number} amount added to the logarithm of the enlargement
   */
  zoomBy(amount) {
    this.zoom = clamp(this.zoom + amount, MIN_ZOOM, MAX_ZOOM);
  }

  /**
   * The camera as it stands.
   * @param {number} width the canvas's, pixels
   * @returns {Camera} for a canvas of this width
   */
  camera(width) {
    const { base, pivot } = this;
    const W = base.viewmat;
    const R0 = [W[0], W[1], W[2], W[4], W[5], W[6], W[8], W[9], W[10]];
    const T0 = [W[3], W[7], W[11]];
    const R = multiply(multiply(rotationX(this.pitch), R0), rotationY(this.yaw));
    const centre = apply(R0, pivot).map((value, k) => value + T0[k]);
    centre[0] += this.x;
    centre[1] += this.y;
    centre[2] *= Math.exp(-this.zoom);
    this.distance = centre[2];
    const t = apply(R, pivot).map((value, k) => centre[k] - value);
    const size = width / base.width;
    const K = [base.K[0], base.K[4], base.K[2], base.K[5]].map((value) => value * size);
    return { R, t, K };
  }

  /**
   * The camera as it stands, in the form of a packet's header (see stkit.viewers.packet.camera_from).
   * @param {number} width the canvas's, pixels
   * @returns {{viewmat: number[], K: number[], width: number, height: number}} at the base camera's size
   */
  toHeader(width) {
    const { R, t, K } = this.camera(width);
    const scale = this.base.width / width;
    const [fx, fy, cx, cy] = K.map((value) => value * scale);
    const rows = [0, 1, 2].flatMap((k) => [...R.slice(3 * k, 3 * k + 3), t[k]]);
    return {
      viewmat: [...rows, 0, 0, 0, 1],
      K: [fx, 0, cx, 0, fy, cy, 0, 0, 1],
      width: this.base.width,
      height: this.base.height,
    };
  }
}
