/** A triangle mesh with a distance for each vertex, and landmarks over it. */

import { apply } from "./math.js";
import { MESH_FRAGMENT, MESH_VERTEX, SURFACES } from "./mesh_shaders.js";
import { setWeightUniforms } from "./weight_shader.js";
import { compileProgram } from "./webgl.js";

const LANDMARK_COLOR = [213, 94, 0, 255];
const LANDMARKS_ACROSS = 70; // as many would fill the width of the picture
const MIN_LANDMARK = 5; // pixels
const PICK_RADIUS = 12; // pixels

/** A layer for Stage: what it draws for packets of kind "mesh". */
export class Mesh {
  antialias = true;

  /**
   * @param {object} header the packet's header
   * @param {Object<string, ArrayLike<number>>} data verts (3 V) and landmarks (3 K), world decimetres; faces
   *   (3 F); colours (4 V), rgb and lit; distance (V), decimetres
   */
  constructor(header, data) {
    this.header = header;
    this.data = data;
    this.normals = vertexNormals(data.verts, data.faces);
  }

  /**
   * Put everything on the GPU.
   * @param {WebGL2RenderingContext} gl a fresh context
   */
  attach(gl) {
    const { verts, colours, distance, faces, landmarks } = this.data;
    this.gl = gl;
    this.program = compileProgram(gl, MESH_VERTEX, MESH_FRAGMENT);
    this.surface = createVertexArray(gl, verts, this.normals, colours, distance);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
    const count = landmarks.length / 3;
    const orange = new Uint8Array(4 * count);
    for (let k = 0; k < count; k++) orange.set(LANDMARK_COLOR, 4 * k);
    const noDistance = new Float32Array(count);
    this.points = createVertexArray(gl, landmarks, landmarks, orange, noDistance);
    gl.bindVertexArray(null);
  }

  /**
   * Draw the mesh and its landmarks.
   * @param {import("./orbit_camera.js").Camera} camera world to camera
   * @param {object} state see scene.js
   * @param {number} width pixels
   * @param {number} height pixels
   */
  draw(camera, state, width, height) {
    const { gl, data } = this;
    const { program, uniforms } = this.program;
    gl.viewport(0, 0, width, height);
    gl.disable(gl.BLEND);
    gl.enable(gl.DEPTH_TEST);
    gl.clearColor(1, 1, 1, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(program);
    gl.uniformMatrix3fv(uniforms.view, true, camera.R);
    gl.uniform3fv(uniforms.viewT, camera.t);
    gl.uniform4fv(uniforms.K, camera.K);
    gl.uniform2f(uniforms.size, width, height);
    gl.uniform1i(uniforms.surface, SURFACES[state.overlay] ?? SURFACES.none);
    gl.uniform1f(uniforms.points, 0);
    setWeightUniforms(gl, uniforms, state);
    gl.bindVertexArray(this.surface);
    gl.drawElements(gl.TRIANGLES, data.faces.length, gl.UNSIGNED_INT, 0);
    if (state.landmarks !== false) {
      gl.uniform1f(uniforms.points, Math.max(MIN_LANDMARK, width / LANDMARKS_ACROSS));
      gl.bindVertexArray(this.points);
      gl.drawArrays(gl.POINTS, 0, data.landmarks.length / 3);
    }
    gl.bindVertexArray(null);
  }

  /**
   * The landmark nearest to a place on the canvas.
   * @param {import("./orbit_camera.js").Camera} camera world to camera
   * @param {number} x pixels of the canvas, from the left
   * @param {number} y pixels of the canvas, from the top
   * @returns {string | null} its number and name; null where none is within 12 pixels
   */
  pick(camera, x, y) {
    const [fx, fy, cx, cy] = camera.K;
    let found = null;
    let closest = PICK_RADIUS;
    this.header.names.forEach((name, k) => {
      const world = Array.from(this.data.landmarks.subarray(3 * k, 3 * k + 3));
      const p = apply(camera.R, world).map((value, c) => value + camera.t[c]);
      const away = Math.hypot((fx * p[0]) / p[2] + cx - x, (fy * p[1]) / p[2] + cy - y);
      if (away < closest) {
        closest = away;
        found = `${k}: ${name}`;
      }
    });
    return found;
  }
}

// a vertex's normal: the mean of its triangles' normals, weighted by their areas
function vertexNormals(verts, faces) {
  const normals = new Float32Array(verts.length);
  for (let f = 0; f < faces.length; f += 3) {
    const corners = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const [i, j, k] = corners;
    const a = [0, 1, 2].map((c) => verts[j + c] - verts[i + c]);
    const b = [0, 1, 2].map((c) => verts[k + c] - verts[i + c]);
    const normal = cross(a, b);
    for (const corner of corners) {
      for (let c = 0; c < 3; c++) normals[corner + c] += normal[c];
    }
  }
  for (let v = 0; v < normals.length; v += 3) {
    const length = Math.hypot(normals[v], normals[v + 1], normals[v + 2]) || 1;
    for (let c = 0; c < 3; c++) normals[v + c] /= length;
  }
  return normals;
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

// the attributes of MESH_VERTEX, in the order of their locations
function createVertexArray(gl, positions, normals, colors, distances) {
  const vertexArray = gl.createVertexArray();
  gl.bindVertexArray(vertexArray);
  addAttribute(gl, 0, positions, 3, gl.FLOAT);
  addAttribute(gl, 1, normals, 3, gl.FLOAT);
  addAttribute(gl, 2, colors, 4, gl.UNSIGNED_BYTE);
  addAttribute(gl, 3, distances, 1, gl.FLOAT);
  return vertexArray;
}

// bytes become fractions of 255
function addAttribute(gl, location, array, width, type) {
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, width, type, type === gl.UNSIGNED_BYTE, 0, 0);
}
