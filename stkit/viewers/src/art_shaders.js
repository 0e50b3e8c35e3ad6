/** Shaders that draw a G-buffer in an art style. Python's twins: stkit.art.shading, ink and patterns. */

/** Regions of a face, in the order of stkit.art.art_style.REGIONS. */
export const REGION_COUNT = 6;

/** Names of patterns by the number that the shader knows them by; as stkit.art.art_style.PATTERNS. */
export const PATTERN_NUMBERS = {
  none: 0,
  lines: 1,
  "crossed lines": 2,
  dots: 3,
  grain: 4,
  tiles: 5,
};

/** One triangle over the whole picture. */
export const ART_VERTEX = `#version 300 es
void main() {
  float x = float((gl_VertexID & 1) * 4) - 1.0, y = float((gl_VertexID & 2) * 2) - 1.0;
  gl_Position = vec4(x, y, 0.0, 1.0);
}`;

const PATTERNS_GLSL = `
const float AXIS_BEHIND = 0.6, RADIUS = 0.9;  // decimetres

float wave(float x) { return abs(2.0 * fract(x) - 1.0); }
float lines(vec2 at, float slope) { return wave(at.y + slope * at.x); }
float hash(vec2 cell) { return fract(sin(dot(cell, vec2(127.1, 311.7))) * 43758.5453); }

float dots(vec2 at) {
  vec2 turned = vec2(at.x + at.y, at.x - at.y) / sqrt(2.0);
  return clamp(length(turned - round(turned)) * sqrt(2.0), 0.0, 1.0);
}

float grain(vec2 at) {
  vec2 cell = floor(at), share = fract(at), s = share * share * (3.0 - 2.0 * share);
  float low = mix(hash(cell), hash(cell + vec2(1, 0)), s.x);
  float high = mix(hash(cell + vec2(0, 1)), hash(cell + vec2(1, 1)), s.x);
  return mix(low, high, s.y);
}

float tiles(vec2 at) {
  vec2 apart = abs(at - round(at));
  return max(apart.x, apart.y) < 0.43 ? 0.25 + 0.75 * hash(round(at)) : 0.0;
}

// a value in [0, 1] at a place of the surface, canonical decimetres
float patternAt(vec3 place) {
  if (pattern == 0) return 0.5;
  vec2 at = vec2(RADIUS * atan(place.x, place.z + AXIS_BEHIND), place.y) / period;
  float value = pattern == 1 ? lines(at, 0.35)
    : pattern == 2 ? min(1.5 * min(lines(at, 0.35), lines(at, -0.35)), 1.0)
    : pattern == 3 ? dots(at)
    : pattern == 4 ? grain(at)
    : tiles(at);
  float visible = clamp(0.5 * period / pixelWidth - 1.0, 0.0, 1.0);
  return 0.5 + visible * (value - 0.5);
}
`;

const INK_GLSL = `
const float JUMP = 0.7, TURN = 1.15, OUTLINE = 0.7, SUBSTANCE = 1.3, FINE = 0.035;
const float SPACING = 1.4142;  // of the taps, in blurs
// taps across a line: the two sides of a pixel, the pixel, and what is around it
const float LOW[5] = float[5](0.25, 0.5, 0.25, 0.0, 0.0);
const float HIGH[5] = float[5](0.0, 0.0, 0.25, 0.5, 0.25);
const float HERE[5] = float[5](0.0, 0.25, 0.5, 0.25, 0.0);
const float AROUND[5] = float[5](0.1, 0.24, 0.32, 0.24, 0.1);
const vec3 MARKED_A = vec3(0.6, 0.7, 1.0), MARKED_B = vec3(1.0, 0.45, 0.3);

float smoothHalf(float x) { return smoothstep(0.5, 1.0, x); }

// how much ink the lines take at this pixel
float inkAt(vec2 uv, vec4 here, vec3 placeHere, vec3 regionsA, vec3 regionsB) {
  float sigma = max(0.5 * inkWidth / pixelWidth, 0.4);
  vec2 stride = SPACING * sigma / size;
  vec4 normalX = vec4(0), normalY = vec4(0);
  vec3 placeX = vec3(0), placeY = vec3(0), aX = vec3(0), aY = vec3(0), bX = vec3(0), bY = vec3(0);
  float fine = 0.0, around = 0.0;
  for (int j = 0; j < 5; j++) for (int i = 0; i < 5; i++) {
    vec2 at = uv + vec2(i - 2, j - 2) * stride;
    float x = (HIGH[i] - LOW[i]) * HERE[j], y = (HIGH[j] - LOW[j]) * HERE[i];
    vec4 colour = texture(colours, at), place = texture(places, at);
    float alpha = max(place.a, 1e-3);
    float light = dot(ownColour(colour), LUMA);
    fine += HERE[i] * HERE[j] * light;
    around += AROUND[i] * AROUND[j] * light;
    if (x == 0.0 && y == 0.0) continue;
    vec4 normal = texture(normals, at);
    normal.xyz = normalize(normal.xyz + 1e-6) * normal.a;
    normalX += x * normal;
    normalY += y * normal;
    vec3 beyond = place.a > 0.5 ? place.xyz / alpha : placeHere;
    placeX += x * beyond;
    placeY += y * beyond;
    vec3 a = texture(regionsOne, at).xyz / alpha, b = texture(regionsTwo, at).xyz / alpha;
    aX += x * a;
    aY += y * a;
    bX += x * b;
    bY += y * b;
  }
  float turn = sqrt(dot(normalX.xyz, normalX.xyz) + dot(normalY.xyz, normalY.xyz)) / TURN;
  float outline = sqrt(normalX.a * normalX.a + normalY.a * normalY.a) / OUTLINE;
  float jump = sqrt(dot(placeX, placeX) + dot(placeY, placeY)) / JUMP * here.a;
  float substance = sqrt(dot(aX, aX) + dot(aY, aY) + dot(bX, bX) + dot(bY, bY)) / SUBSTANCE;
  float marked = dot(regionsA, MARKED_A) + dot(regionsB, MARKED_B);
  float marks = detail * marked * clamp((around - fine) / FINE, 0.0, 1.5) * here.a;
  return smoothHalf(max(max(max(turn, outline), max(jump, substance)), marks));
}
`;

/**
 * The styled picture. Each region has a matrix and an offset that carry its colours over, and the mean, size
 * and direction of its tones; see `artUniforms`.
 */
export const ART_FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D colours, normals, places, regionsOne, regionsTwo;
uniform vec2 size;
uniform float pixelWidth;  // canonical decimetres
uniform mat3 matrices[${REGION_COUNT}];
uniform vec3 offsets[${REGION_COUNT}], means[${REGION_COUNT}], directions[${REGION_COUNT}];
uniform float sizes[${REGION_COUNT}];
uniform float degree, depth, period, ink, inkWidth, detail;
uniform int tones, pattern;
uniform vec3 inkColour;
out vec4 shown;

const vec3 LUMA = vec3(0.299, 0.587, 0.114);
const vec3 LIGHT = vec3(-0.4513, 0.5516, 0.7021);
const float LIGHT_SHARE = 0.4, SOFT = 0.18;

vec3 ownColour(vec4 colour) {
  return clamp((colour.rgb - (1.0 - colour.a)) / max(colour.a, 0.05), 0.0, 1.0);
}
${PATTERNS_GLSL}
${INK_GLSL}
float steppedTone(float tone) {
  tone = clamp(tone, 0.0, 1.0);
  if (tones >= 9) return tone;
  float at = tone * float(tones), low = min(floor(at), float(tones - 1));
  float edge = smoothstep(1.0 - SOFT, 1.0, at - low);
  return (low + (low < float(tones - 1) ? edge : 0.0)) / float(tones - 1);
}

void main() {
  vec2 uv = gl_FragCoord.xy / size;
  vec4 colour = texture(colours, uv), normal = texture(normals, uv), place = texture(places, uv);
  float alpha = max(colour.a, 1e-3);
  vec3 own = ownColour(colour), at = place.xyz / alpha;
  vec3 regionsA = texture(regionsOne, uv).xyz / alpha, regionsB = texture(regionsTwo, uv).xyz / alpha;
  float share[${REGION_COUNT}] = float[${REGION_COUNT}](
    regionsA.x, regionsA.y, regionsA.z, regionsB.x, regionsB.y, regionsB.z
  );
  float light = 0.5 + 0.5 * dot(normalize(normal.xyz + 1e-6), LIGHT);
  float shift = depth * degree * (patternAt(at) - 0.5);
  vec3 painted = vec3(0);
  float total = 0.0;
  for (int k = 0; k < ${REGION_COUNT}; k++) {
    total += share[k];
    if (sizes[k] <= 0.0) continue;
    vec3 moved = matrices[k] * own + offsets[k];
    float tone = 0.5 + dot(moved - means[k], LUMA) / sizes[k];
    tone = mix(tone, light, LIGHT_SHARE) + shift;
    vec3 flattened = means[k] + (steppedTone(tone) - 0.5) * sizes[k] * directions[k];
    painted += share[k] * mix(moved, flattened, degree);
  }
  painted = clamp(total < 0.1 ? own : painted / max(total, 1e-3), 0.0, 1.0);
  vec3 picture = colour.a * painted + (1.0 - colour.a);
  if (ink > 0.0) {
    picture = mix(picture, inkColour, ink * degree * inkAt(uv, colour, at, regionsA, regionsB));
  }
  shown = vec4(picture, 1.0);
}`;
