/** Shaders that add an expression to Gaussians at rest, one fragment for each Gaussian. */

/** Most components a packet may have, those of its clip and its sliders together; as in stkit.viewers.packing. */
export const MAX_COMPONENTS = 32;

/** One triangle over the whole target. */
export const EXPRESSION_VERTEX = `#version 300 es
void main() {
  float x = float((gl_VertexID & 1) * 4) - 1.0, y = float((gl_VertexID & 2) * 2) - 1.0;
  gl_Position = vec4(x, y, 0.0, 1.0);
}`;

/**
 * Rest plus the sum of components times their factors, written in the layout that the splats' vertex shader
 * reads. Layers of `basis`: for each component first the change of means, then for each look three layers,
 * the changes of log-scales, quaternions and rgba.
 */
export const EXPRESSION_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp isampler2DArray;
precision highp sampler2D;

uniform sampler2D meanAndDistance;     // canonical mean; distance to the nearest landmark, decimetres
uniform sampler2D logScalesAndFollow;  // logarithms of scales; how far the Gaussian follows the head
uniform sampler2D quats;               // w, x, y, z
uniform sampler2D rgba;                // 0 to 255
uniform isampler2DArray basis;
uniform vec4 factors[${MAX_COMPONENTS}];  // for means, log-scales, quaternions, rgba
uniform int components, layersPerComponent, look;
layout(location = 0) out uvec4 meanAndColor;
layout(location = 1) out uvec4 shape;

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 x = texelFetch(meanAndDistance, at, 0), s = texelFetch(logScalesAndFollow, at, 0);
  vec4 q = texelFetch(quats, at, 0), c = texelFetch(rgba, at, 0);
  for (int k = 0; k < components; k++) {
    if (factors[k] == vec4(0)) continue;
    int first = k * layersPerComponent, own = first + 1 + 3 * look;
    x.xyz += factors[k].x * vec3(texelFetch(basis, ivec3(at, first), 0).xyz);
    s.xyz += factors[k].y * vec3(texelFetch(basis, ivec3(at, own), 0).xyz);
    q += factors[k].z * vec4(texelFetch(basis, ivec3(at, own + 1), 0));
    c += factors[k].w * vec4(texelFetch(basis, ivec3(at, own + 2), 0));
  }
  uvec4 b = uvec4(clamp(c, 0.0, 255.0) + 0.5);
  vec3 scales = exp(s.xyz);
  q = normalize(q);
  if (q.x < 0.0) q = -q;
  meanAndColor = uvec4(floatBitsToUint(x.xyz), b.x | (b.y << 8) | (b.z << 16) | (b.w << 24));
  shape = uvec4(
    packHalf2x16(scales.xy), packHalf2x16(vec2(scales.z, x.w)),
    packSnorm2x16(q.yz), packSnorm2x16(vec2(q.w, s.w))
  );
}`;
