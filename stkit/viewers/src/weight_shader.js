/** Eq. 8 of the paper on the GPU, and the colours that show it. Python's twin: stkit.editing.weights. */

/**
 * GLSL functions for vertex shaders: `eq8(d)`, the weight at d decimetres from the nearest landmark
 * (w = 2 sigmoid(-alpha d), or 1 - w for a weak edit), and `viridis(x)`, a colour for x in [0, 1].
 */
export const WEIGHT_GLSL = `
uniform float alpha;  // 1 / decimetre
uniform int weak;     // 1: the edit is weak, and weighs 1 - w

float eq8(float d) {
  float w = 2.0 / (1.0 + exp(alpha * d));
  return weak == 1 ? 1.0 - w : w;
}

vec3 viridis(float x) {
  const vec3 stops[9] = vec3[9](
    vec3(.267, .005, .329), vec3(.278, .176, .483), vec3(.230, .322, .546),
    vec3(.173, .449, .558), vec3(.128, .567, .551), vec3(.158, .684, .502),
    vec3(.369, .789, .383), vec3(.678, .864, .190), vec3(.993, .906, .144)
  );
  float k = clamp(x, 0.0, 1.0) * 8.0;
  int i = min(int(k), 7);
  return mix(stops[i], stops[i + 1], k - float(i));
}
`;

/**
 * Set the uniforms of WEIGHT_GLSL.
 * @param {WebGL2RenderingContext} gl the context, with the program in use
 * @param {Object<string, WebGLUniformLocation>} uniforms the program's uniforms
 * @param {{alpha: number, b: number, boundary: number}} state alpha in 1/dm, the edit's strength b and
 *   the boundary below which it is weak
 */
export function setWeightUniforms(gl, uniforms, state) {
  gl.uniform1f(uniforms.alpha, state.alpha);
  gl.uniform1i(uniforms.weak, state.b < state.boundary ? 1 : 0);
}
