/** Shaders of Gaussians: EWA splatting as in stkit.render, drawn back to front. */

import { WEIGHT_GLSL } from "./weight_shader.js";
import { ROW } from "./webgl.js";

/** Values of the uniform `overlay`. */
export const OVERLAYS = { none: 0, weights: 1, raw: 2 };

/**
 * Four vertices for each Gaussian, the corners of the ellipse's bounding rectangle. Texel i of `meanAndColor`
 * holds the canonical mean (3 floats) and rgba (4 bytes), of `shape` scales and distance (4 halfs), the
 * quaternion's x, y, z and how far the Gaussian follows the head (4 signed 16-bit fractions).
 */
export const SPLAT_VERTEX = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;

uniform usampler2D meanAndColor, shape, order;
uniform mat3 view, head, chest;       // rotations; those of head and chest are scaled to the world
uniform vec3 viewT, headT, chestT;    // translations, world decimetres
uniform vec4 headQ, chestQ;           // quaternions w, x, y, z
uniform vec4 K;                       // fx, fy, cx, cy in pixels
uniform vec2 size;                    // of the picture, pixels
uniform float scale;                  // world decimetres per canonical decimetre
uniform float eps;                    // added to the variance in the picture, pixels squared
uniform int overlay;                  // 0 colours, 1 weights over them, 2 weights alone
#ifdef ART
uniform usampler2D surface;    // bytes: normal + 128; shares of four regions; of two more
uniform sampler2D restMean, push;     // canonical decimetres; push: what a style's proportions add
uniform float degree;
out vec3 normal, place, regionsA, regionsB;
#endif
${WEIGHT_GLSL}
out vec4 color;
out vec2 offset;  // from the mean, in standard deviations along the ellipse's axes

const float NEAR = 0.01;             // decimetres
const float ALPHA_STEPS = 255.0;     // an alpha below 1 / 255 is not drawn
const float OVERLAY_MIX = 0.85;      // how much of an overlaid colour is the weight's

ivec2 texel(uint i) {
  return ivec2(int(i & ${ROW - 1}u), int(i >> ${Math.log2(ROW)}));
}

vec4 bytesOf(uint word) {
  return vec4(uvec4(word, word >> 8, word >> 16, word >> 24) & 255u);
}

vec4 multiplyQuats(vec4 a, vec4 b) {
  return vec4(
    a.x * b.x - a.y * b.y - a.z * b.z - a.w * b.w,
    a.x * b.y + a.y * b.x + a.z * b.w - a.w * b.z,
    a.x * b.z - a.y * b.w + a.z * b.x + a.w * b.y,
    a.x * b.w + a.y * b.z - a.z * b.y + a.w * b.x
  );
}

mat3 rotation(vec4 quat) {
  float w = quat.x, x = quat.y, y = quat.z, z = quat.w;
  return transpose(mat3(
    1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y),
    2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x),
    2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)
  ));
}

// the covariance in the picture, a b / b c: Jacobian of the projection, times the 3D covariance M M^T
vec3 projectCovariance(vec3 p, mat3 M) {
  mat3 S = M * transpose(M);
  // outside of the picture and a margin of 15 % the Jacobian is held at the margin's edge
  vec2 low = -(K.zw + 0.15 * size) / K.xy, high = (1.15 * size - K.zw) / K.xy;
  vec2 t = p.z * clamp(p.xy / p.z, low, high);
  float jx = K.x / p.z, jy = K.y / p.z;
  float kx = -K.x * t.x / (p.z * p.z), ky = -K.y * t.y / (p.z * p.z);
  float a = jx * jx * S[0][0] + 2.0 * jx * kx * S[2][0] + kx * kx * S[2][2] + eps;
  float b = jx * jy * S[1][0] + jx * ky * S[2][0] + kx * jy * S[2][1] + kx * ky * S[2][2];
  float c = jy * jy * S[1][1] + 2.0 * jy * ky * S[2][1] + ky * ky * S[2][2] + eps;
  return vec3(a, b, c);
}

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0);  // outside of the picture, unless something is drawn
  uint i = texelFetch(order, texel(uint(gl_VertexID) >> 2), 0).x;
  uvec4 first = texelFetch(meanAndColor, texel(i), 0), second = texelFetch(shape, texel(i), 0);
  vec3 x = uintBitsToFloat(first.xyz);
  vec2 scaleXY = unpackHalf2x16(second.x), scaleZDistance = unpackHalf2x16(second.y);
  vec2 quatXY = unpackSnorm2x16(second.z), quatZFollow = unpackSnorm2x16(second.w);
  float follow = quatZFollow.y;
  vec3 xyz = vec3(quatXY, quatZFollow.x);
  vec4 quat = vec4(sqrt(max(1.0 - dot(xyz, xyz), 0.0)), xyz);

#ifdef ART
  x += degree * texelFetch(push, texel(i), 0).xyz;
  uvec4 packed = texelFetch(surface, texel(i), 0);
  normal = normalize(head * (bytesOf(packed.x).xyz - 128.0));
  place = texelFetch(restMean, texel(i), 0).xyz;
  vec4 four = bytesOf(packed.y) / 255.0, two = bytesOf(packed.z) / 255.0;
  regionsA = four.xyz;
  regionsB = vec3(four.w, two.xy);
#endif
  vec3 p = view * mix(chest * x + chestT, head * x + headT, follow) + viewT;
  if (p.z < NEAR) return;
  vec4 placed = multiplyQuats(normalize(mix(chestQ, headQ, follow)), quat);
  mat3 M = view * rotation(normalize(placed));
  vec3 s = scale * vec3(scaleXY, scaleZDistance.x);
  M = mat3(M[0] * s.x, M[1] * s.y, M[2] * s.z);
  vec3 covariance = projectCovariance(p, M);
  float a = covariance.x, b = covariance.y, c = covariance.z;

  vec4 rgba = bytesOf(first.w) / 255.0;
  if (rgba.a * ALPHA_STEPS < 1.0) return;
  // as far as alpha exp(-reach^2 / 2) = 1 / 255
  float reach = sqrt(2.0 * log(rgba.a * ALPHA_STEPS)) + 1e-3;
  float mean = 0.5 * (a + c), difference = length(vec2(0.5 * (a - c), b));  // of the eigenvalues
  vec2 axis = abs(b) < 1e-6
    ? (a >= c ? vec2(1, 0) : vec2(0, 1))
    : normalize(vec2(b, mean + difference - a));
  vec2 corner = vec2((gl_VertexID & 1) * 2 - 1, (gl_VertexID & 2) - 1) * reach;
  vec2 pixel = K.xy * p.xy / p.z + K.zw
    + axis * corner.x * sqrt(mean + difference)
    + vec2(-axis.y, axis.x) * corner.y * sqrt(max(mean - difference, 1e-6));

  offset = corner;
  float w = eq8(scaleZDistance.y);
  vec3 shown = overlay == 1 ? mix(rgba.rgb, viridis(w), OVERLAY_MIX) : vec3(w);
  color = overlay == 0 ? rgba : vec4(shown, rgba.a);
  gl_Position = vec4(2.0 * pixel.x / size.x - 1.0, 1.0 - 2.0 * pixel.y / size.y, 0.0, 1.0);
}`;

/** Premultiplied colour of one Gaussian at one pixel; for art styles its share of a G-buffer, see art_pass.js. */
export const SPLAT_FRAGMENT = `#version 300 es
precision highp float;
in vec4 color;
in vec2 offset;
layout(location = 0) out vec4 pixel;
#ifdef ART
in vec3 normal, place, regionsA, regionsB;
layout(location = 1) out vec4 normals;
layout(location = 2) out vec4 places;
layout(location = 3) out vec4 regionsOne;
layout(location = 4) out vec4 regionsTwo;
#endif

void main() {
  float alpha = min(color.a * exp(-0.5 * dot(offset, offset)), 0.999);
  if (alpha < 1.0 / 255.0) discard;
  pixel = vec4(color.rgb * alpha, alpha);
#ifdef ART
  normals = vec4(normal * alpha, alpha);
  places = vec4(place * alpha, alpha);
  regionsOne = vec4(regionsA * alpha, alpha);
  regionsTwo = vec4(regionsB * alpha, alpha);
#endif
}`;

/**
 * A shader that also writes what art styles are drawn from.
 * @param {string} source SPLAT_VERTEX or SPLAT_FRAGMENT
 * @returns {string} the same with its parts for art
 */
export function withArt(source) {
  return source.replace("#version 300 es\n", "#version 300 es\n#define ART\n");
}
