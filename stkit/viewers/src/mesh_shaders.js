/** Shaders of a triangle mesh, and of the landmarks that are drawn over it as points. */

import { WEIGHT_GLSL } from "./weight_shader.js";

/** Values of the uniform `surface`. */
export const SURFACES = { none: 0, weights: 1, normals: 2 };

/** One vertex: its colour, shaded by how much it faces the camera. */
export const MESH_VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec3 position;  // world decimetres
layout(location = 1) in vec3 normal;
layout(location = 2) in vec4 rgbLit;    // colour; 1 where it is shaded, 0 where not
layout(location = 3) in float distance_;  // to the nearest landmark, decimetres
uniform mat3 view;
uniform vec3 viewT;
uniform vec4 K;         // fx, fy, cx, cy in pixels
uniform vec2 size;      // of the picture, pixels
uniform int surface;    // 0 colours, 1 weights, 2 normals
uniform float points;   // diameter of landmarks in pixels; 0 while triangles are drawn
${WEIGHT_GLSL}
out vec3 color;

const float NEAR = 0.5, FAR = 60.0;  // decimetres
const float LIFT = 0.06;             // decimetres by which landmarks stand before the surface
const float AMBIENT = 0.35, DIFFUSE = 0.65;

void main() {
  vec3 p = view * position + viewT, facing = view * normal;
  vec3 base = surface == 1 ? viridis(eq8(distance_)) : surface == 2 ? 0.5 + 0.5 * normal : rgbLit.rgb;
  float light = rgbLit.a < 0.5 || surface == 2 ? 1.0 : AMBIENT + DIFFUSE * abs(facing.z);
  color = points > 0.0 ? rgbLit.rgb : base * light;
  vec2 pixel = K.xy * p.xy / p.z + K.zw;
  float z = p.z - (points > 0.0 ? LIFT : 0.0);
  gl_Position = vec4(
    (2.0 * pixel.x / size.x - 1.0) * p.z,
    (1.0 - 2.0 * pixel.y / size.y) * p.z,
    ((FAR + NEAR) * z - 2.0 * FAR * NEAR) / (FAR - NEAR),
    p.z
  );
  gl_PointSize = points;
}`;

/** The interpolated colour; points are round. */
export const MESH_FRAGMENT = `#version 300 es
precision highp float;
uniform float points;
in vec3 color;
out vec4 pixel;

void main() {
  if (points > 0.0 && length(gl_PointCoord - 0.5) > 0.5) discard;
  pixel = vec4(color, 1);
}`;
