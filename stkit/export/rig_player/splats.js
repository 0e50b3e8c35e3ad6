// Gaussians as a three.js object: one quad each, drawn from the farthest to the nearest.
import * as THREE from "three";

const VERTEX = `
precision highp float;
uniform mat4 modelViewMatrix, projectionMatrix;
uniform vec2 focal, viewport;
attribute vec2 position;
attribute vec3 centre, diagonal, corner;
attribute vec4 tint;
varying vec4 color;
varying vec2 at;

void main() {
  vec4 seen = modelViewMatrix * vec4(centre, 1.0);
  mat3 world = mat3(diagonal.x, corner.x, corner.y,
                    corner.x, diagonal.y, corner.z,
                    corner.y, corner.z, diagonal.z);
  float z = -seen.z;
  mat3 view = mat3(modelViewMatrix);
  mat3 there = view * world * mat3(view[0].x, view[1].x, view[2].x,
                                   view[0].y, view[1].y, view[2].y,
                                   view[0].z, view[1].z, view[2].z);
  vec3 across = vec3(focal.x / z, 0.0, focal.x * seen.x / (z * z));
  vec3 up = vec3(0.0, focal.y / z, focal.y * seen.y / (z * z));
  float a = dot(across, there * across) + 0.3;
  float b = dot(across, there * up);
  float c = dot(up, there * up) + 0.3;
  float middle = 0.5 * (a + c);
  float apart = sqrt(max(middle * middle - (a * c - b * b), 0.0));
  vec2 major = abs(b) > 1e-9 ? normalize(vec2(b, middle + apart - a))
                             : (a >= c ? vec2(1.0, 0.0) : vec2(0.0, 1.0));
  vec2 minor = vec2(-major.y, major.x);
  vec2 pixels = 3.4 * (position.x * sqrt(middle + apart) * major
                       + position.y * sqrt(max(middle - apart, 0.0)) * minor);
  vec4 clip = projectionMatrix * seen;
  gl_Position = vec4(clip.xy / clip.w + 2.0 * pixels / viewport, clip.z / clip.w, 1.0);
  color = tint;
  at = 3.4 * position;
}`;

const FRAGMENT = `
precision highp float;
varying vec4 color;
varying vec2 at;

void main() {
  float alpha = color.a * exp(-0.5 * dot(at, at));
  if (alpha < 1.0 / 255.0) discard;
  gl_FragColor = vec4(color.rgb * alpha, alpha);
}`;

const WIDTHS = { centre: 3, diagonal: 3, corner: 3, tint: 4 };

/** A mesh that shows a rig's Gaussians; call `update` after the rig was posed. */
export class Splats extends THREE.Mesh {
  constructor(rig) {
    const geometry = new THREE.InstancedBufferGeometry();
    const quad = new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]);
    geometry.setAttribute("position", new THREE.BufferAttribute(quad, 2));
    geometry.setIndex([0, 1, 2, 2, 1, 3]);
    geometry.instanceCount = rig.count;
    geometry.boundingSphere = new THREE.Sphere(new THREE.Vector3(), Infinity);
    for (const [name, width] of Object.entries(WIDTHS)) {
      const values = new Float32Array(width * rig.count);
      geometry.setAttribute(name, new THREE.InstancedBufferAttribute(values, width));
    }
    const material = new THREE.RawShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: {
        focal: { value: new THREE.Vector2() },
        viewport: { value: new THREE.Vector2() },
      },
      transparent: true,
      depthTest: false,
      depthWrite: false,
      premultipliedAlpha: true,
      blending: THREE.CustomBlending,
      blendSrc: THREE.OneFactor,
      blendDst: THREE.OneMinusSrcAlphaFactor,
    });
    super(geometry, material);
    this.rig = rig;
    this.frustumCulled = false;
  }

  /** Sort the Gaussians for a camera and hand them to the graphics card. */
  update(camera, width, height) {
    const { projectionMatrix, matrixWorldInverse } = camera;
    const [, , ex, , , , ey, , , , ez] = matrixWorldInverse.elements;
    const { centres, covariances, colors, count } = this.rig;
    const depth = Float32Array.from(
      { length: count },
      (_, n) => ex * centres[3 * n] + ey * centres[3 * n + 1] + ez * centres[3 * n + 2],
    );
    const order = Uint32Array.from({ length: count }, (_, n) => n);
    order.sort((m, n) => depth[m] - depth[n]);
    const { centre, diagonal, corner, tint } = this.geometry.attributes;
    order.forEach((n, k) => {
      const [xx, xy, xz, yy, yz, zz] = covariances.subarray(6 * n, 6 * n + 6);
      centre.array.set(centres.subarray(3 * n, 3 * n + 3), 3 * k);
      diagonal.array.set([xx, yy, zz], 3 * k);
      corner.array.set([xy, xz, yz], 3 * k);
      tint.array.set(colors.subarray(4 * n, 4 * n + 4), 4 * k);
    });
    for (const name of Object.keys(WIDTHS)) this.geometry.attributes[name].needsUpdate = true;
    const [px, , , , , py] = projectionMatrix.elements;
    this.material.uniforms.viewport.value.set(width, height);
    this.material.uniforms.focal.value.set((px * width) / 2, (py * height) / 2);
  }
}
