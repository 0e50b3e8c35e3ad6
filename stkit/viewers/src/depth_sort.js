/** Gaussians in the order of their depth, farthest first: a radix sort on the CPU. */

/** Values of one digit; a key has two digits, 22 bits. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/** A component that moves no Gaussian farther than this is left out of the depths (decimetres: 0.1 mm). */
const NEGLIGIBLE = 0.001;

/** Largest value of the int8 basis. */
const MAX_CODE = 127;

/** Keeps an order, and computes it anew only when camera, placement or expression have changed. */
export class DepthSort {
  /**
   * @param {Float32Array} means (3 N) at rest, canonical decimetres
   * @param {Float32Array} follow (N) how far each Gaussian follows the head
   * @param {Int8Array | undefined} basis changes of means, rows of four (see stkit.viewers.motion_basis)
   * @param {object[]} components the header's components: rows, steps and starts
   * @param {Uint32Array} order receives the sorted indices; may be longer than N
   */
  constructor(means, follow, basis, components, order) {
    const n = follow.length;
    Object.assign(this, { n, means, follow, basis, components, order });
    this.depth = new Float32Array(n);
    this.keys = new Uint32Array(n);
    this.byLowDigit = new Uint32Array(n);
    this.counts = new Uint32Array(DIGITS);
    this.sortedFor = null;
  }

  /** Forget for what the order was computed: the next `sort` computes it. */
  invalidate() {
    this.sortedFor = null;
  }

  /**
   * Sort, unless nothing has changed.
   * @param {{R: number[], t: number[]}} camera world to camera
   * @param {import("./motion.js").Placement} place canonical space to world
   * @param {number[]} coefficients one for each component
   * @returns {boolean} whether the order was computed anew
   */
  sort(camera, place, coefficients) {
    const { head, headT, chest, chestT } = place;
    const numbers = [...camera.R, ...camera.t, ...head, ...headT, ...chest, ...chestT];
    const wanted = numbers.map((x) => x.toFixed(4)).join();
    if (this.sortedFor === wanted) return false;
    this.sortedFor = wanted;
    const headRow = depthRow(camera, head, headT);
    const chestRow = depthRow(camera, chest, chestT);
    this.measureRest(headRow, chestRow);
    this.addExpression(headRow, coefficients);
    this.makeKeys();
    this.sortByDigit(null, this.byLowDigit, 0);
    this.sortByDigit(this.byLowDigit, this.order, DIGIT_BITS);
    return true;
  }

  measureRest([h0, h1, h2, h3], [c0, c1, c2, c3]) {
    const { n, means, follow, depth } = this;
    for (let i = 0, p = 0; i < n; i++, p += 3) {
      const x = means[p];
      const y = means[p + 1];
      const z = means[p + 2];
      const f = follow[i];
      depth[i] = f * (h0 * x + h1 * y + h2 * z + h3) + (1 - f) * (c0 * x + c1 * y + c2 * z + c3);
    }
  }

  // of an expression only its share along the view is needed
  addExpression(headRow, coefficients) {
    const { basis, depth } = this;
    this.components.forEach(({ rows, steps, starts }, k) => {
      const factor = coefficients[k] * steps.means;
      if (Math.abs(factor) * MAX_CODE < NEGLIGIBLE) return;
      const u = factor * headRow[0];
      const v = factor * headRow[1];
      const w = factor * headRow[2];
      for (let i = 0, b = starts.means; i < rows; i++, b += 4) {
        depth[i] += u * basis[b] + v * basis[b + 1] + w * basis[b + 2];
      }
    });
  }

  makeKeys() {
    const { n, depth, keys } = this;
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < n; i++) {
      const z = depth[i];
      if (z < low) low = z;
      if (z > high) high = z;
    }
    const factor = (DIGITS * DIGITS - 1) / Math.max(high - low, 1e-9);
    for (let i = 0; i < n; i++) keys[i] = (high - depth[i]) * factor;
  }

  // equal digits keep their order; in the first pass (from = null) the last Gaussian comes first, as in Python
  sortByDigit(from, to, shift) {
    const { n, keys, counts } = this;
    counts.fill(0);
    for (let i = 0; i < n; i++) counts[(keys[i] >> shift) & (DIGITS - 1)]++;
    let sum = 0;
    for (let k = 0; k < DIGITS; k++) {
      const count = counts[k];
      counts[k] = sum;
      sum += count;
    }
    for (let q = 0; q < n; q++) {
      const i = from ? from[q] : n - 1 - q;
      to[counts[(keys[i] >> shift) & (DIGITS - 1)]++] = i;
    }
  }
}

// depth of a canonical point: dot product with the first three numbers, plus the fourth
function depthRow(camera, rotation, translation) {
  const r = camera.R.slice(6);
  const row = [0, 1, 2].map(
    (c) => r[0] * rotation[c] + r[1] * rotation[3 + c] + r[2] * rotation[6 + c],
  );
  const shift = r[0] * translation[0] + r[1] * translation[1] + r[2] * translation[2] + camera.t[2];
  return [...row, shift];
}
