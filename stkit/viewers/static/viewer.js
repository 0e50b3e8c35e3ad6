// The viewers of stkit: Gaussian splats, meshes and before/after pictures in WebGL2, with no dependency.
// One file, used twice: by anywidget in a notebook (default export) and inlined in avatar.html (mount).
// Conventions are the library's: OpenCV cameras, decimetres, quaternions w x y z, white background.

// ---- mathematics: 3 x 3 matrices are row-major arrays of 9
const multiply = (a, b) => { const o = new Array(9).fill(0); for (let r = 0; r < 3; r++) for (let c = 0; c < 3; c++) for (let k = 0; k < 3; k++) o[3 * r + c] += a[3 * r + k] * b[3 * k + c]; return o; };
const apply = (m, x) => [0, 1, 2].map(r => m[3 * r] * x[0] + m[3 * r + 1] * x[1] + m[3 * r + 2] * x[2]);
const turnX = a => [1, 0, 0, 0, Math.cos(a), -Math.sin(a), 0, Math.sin(a), Math.cos(a)];
const turnY = a => [Math.cos(a), 0, Math.sin(a), 0, 1, 0, -Math.sin(a), 0, Math.cos(a)];
const turnZ = a => [Math.cos(a), -Math.sin(a), 0, Math.sin(a), Math.cos(a), 0, 0, 0, 1];
const about = (axis, a) => { const q = [Math.cos(a / 2), 0, 0, 0]; q[1 + axis] = Math.sin(a / 2); return q; };
const quatMultiply = (p, q) => [p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3], p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
  p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1], p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0]];
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const radians = degrees => degrees * Math.PI / 180;

// ---- what Python packed: header.arrays = {name: [offset, type, length]}
const TYPES = { f4: Float32Array, u4: Uint32Array, u2: Uint16Array, i2: Int16Array, u1: Uint8Array, i1: Int8Array };
function unpack(header, bytes) {
  const whole = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = {};
  for (const [name, [offset, type, length]] of Object.entries(header.arrays)) {
    const T = TYPES[type];
    out[name] = new T(whole.slice(offset, offset + length * T.BYTES_PER_ELEMENT).buffer);
  }
  return out;
}

// ---- WebGL helpers
function program(gl, vertex, fragment) {
  const p = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const s = gl.createShader(kind);
    gl.shaderSource(s, source); gl.compileShader(s);
    if (!gl.getShaderParameter(s, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(s));
    gl.attachShader(p, s);
  }
  gl.linkProgram(p);
  const at = {};
  for (let k = 0; k < (gl.getProgramParameter(p, gl.ACTIVE_UNIFORMS) || 0); k++) { const u = gl.getActiveUniform(p, k); at[u.name.replace("[0]", "")] = gl.getUniformLocation(p, u.name); }
  return { program: p, at };
}
const WIDE = 1024, UNITS = { moving: 0, fixed_: 1, order: 2, basis: 3, xyzd: 4, sizes: 5, turns: 6, rgba: 7 };
// one texel for each Gaussian, WIDE of them in a row; `layers` of them for the basis
function table(gl, unit, internal, format, type, n, data, layers = 0) {
  const high = Math.ceil(n / WIDE), kind = layers ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D, t = gl.createTexture();
  const use = () => { gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(kind, t); };
  use();
  for (const p of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(kind, p, gl.NEAREST);
  if (layers) { gl.texStorage3D(kind, 1, internal, WIDE, high, layers); data.forEach((layer, k) => gl.texSubImage3D(kind, 0, 0, 0, k, WIDE, high, 1, format, type, layer)); }
  else gl.texStorage2D(kind, 1, internal, WIDE, high);
  const put = data => { use(); gl.texSubImage2D(kind, 0, 0, 0, WIDE, high, format, type, data); };
  if (data && !layers) put(data);
  return { t, use, put };
}
const padded = (array, per, n) => { const out = new array.constructor(Math.ceil(n / WIDE) * WIDE * per); out.set(array); return out; };

// Eq. 8 and its colours; Python's twin is stkit.editing.weights.weight
const WEIGHT = `
uniform float alpha; uniform int weak;
float eq8(float d) { float w = 2.0 / (1.0 + exp(alpha * d)); return weak == 1 ? 1.0 - w : w; }
vec3 viridis(float x) {
  const vec3 c[9] = vec3[9](vec3(.267,.005,.329), vec3(.278,.176,.483), vec3(.230,.322,.546), vec3(.173,.449,.558), vec3(.128,.567,.551), vec3(.158,.684,.502), vec3(.369,.789,.383), vec3(.678,.864,.190), vec3(.993,.906,.144));
  float k = clamp(x, 0.0, 1.0) * 8.0; int i = min(int(k), 7); return mix(c[i], c[i + 1], k - float(i)); }`;

// ---- Gaussians: EWA splatting as in stkit.render, back to front
const SPLAT_VERTEX = `#version 300 es
precision highp float; precision highp int; precision highp usampler2D;
uniform usampler2D moving, fixed_, order;
uniform mat3 view, head, chest; uniform vec3 viewT, headT, chestT; uniform vec4 headQ, chestQ, K; uniform vec2 size; uniform float scale, eps; uniform int overlay;
${WEIGHT}
out vec4 colour; out vec2 q;
ivec2 at(uint i) { return ivec2(int(i & ${WIDE - 1}u), int(i >> ${Math.log2(WIDE)})); }
vec4 times(vec4 a, vec4 b) { return vec4(a.x*b.x-a.y*b.y-a.z*b.z-a.w*b.w, a.x*b.y+a.y*b.x+a.z*b.w-a.w*b.z, a.x*b.z-a.y*b.w+a.z*b.x+a.w*b.y, a.x*b.w+a.y*b.z-a.z*b.y+a.w*b.x); }
mat3 rotation(vec4 q) { float w=q.x,x=q.y,y=q.z,z=q.w; return transpose(mat3(1.0-2.0*(y*y+z*z),2.0*(x*y-w*z),2.0*(x*z+w*y), 2.0*(x*y+w*z),1.0-2.0*(x*x+z*z),2.0*(y*z-w*x), 2.0*(x*z-w*y),2.0*(y*z+w*x),1.0-2.0*(x*x+y*y))); }
void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0);
  uint i = texelFetch(order, at(uint(gl_VertexID) >> 2), 0).x;
  uvec4 m = texelFetch(moving, at(i), 0), f = texelFetch(fixed_, at(i), 0);
  vec3 x = uintBitsToFloat(m.xyz);
  vec2 sxy = unpackHalf2x16(f.x), szd = unpackHalf2x16(f.y), qxy = unpackSnorm2x16(f.z), qzf = unpackSnorm2x16(f.w);
  vec3 xyz = vec3(qxy, qzf.x);
  vec4 own = vec4(sqrt(max(1.0 - dot(xyz, xyz), 0.0)), xyz);
  vec3 p = view * mix(chest * x + chestT, head * x + headT, qzf.y) + viewT;
  if (p.z < 0.01) return;
  mat3 M = view * rotation(normalize(times(normalize(mix(chestQ, headQ, qzf.y)), own)));
  vec3 s = scale * vec3(sxy, szd.x);
  M = mat3(M[0] * s.x, M[1] * s.y, M[2] * s.z);
  mat3 S = M * transpose(M);
  vec2 low = -(K.zw + 0.15 * size) / K.xy, high = (1.15 * size - K.zw) / K.xy;
  vec2 t = p.z * clamp(p.xy / p.z, low, high);
  float jx = K.x / p.z, jy = K.y / p.z, kx = -K.x * t.x / (p.z * p.z), ky = -K.y * t.y / (p.z * p.z);
  float a = jx*jx*S[0][0] + 2.0*jx*kx*S[2][0] + kx*kx*S[2][2] + eps;
  float b = jx*jy*S[1][0] + jx*ky*S[2][0] + kx*jy*S[2][1] + kx*ky*S[2][2];
  float c = jy*jy*S[1][1] + 2.0*jy*ky*S[2][1] + ky*ky*S[2][2] + eps;
  vec4 rgba = vec4(uvec4(m.w & 255u, (m.w >> 8) & 255u, (m.w >> 16) & 255u, m.w >> 24)) / 255.0;
  if (rgba.a * 255.0 < 1.0) return;
  float reach = sqrt(2.0 * log(rgba.a * 255.0)) + 1e-3, mid = 0.5 * (a + c), away = length(vec2(0.5 * (a - c), b));
  vec2 axis = abs(b) < 1e-6 ? (a >= c ? vec2(1, 0) : vec2(0, 1)) : normalize(vec2(b, mid + away - a));
  vec2 corner = vec2((gl_VertexID & 1) * 2 - 1, (gl_VertexID & 2) - 1) * reach;
  vec2 pixel = K.xy * p.xy / p.z + K.zw + axis * corner.x * sqrt(mid + away) + vec2(-axis.y, axis.x) * corner.y * sqrt(max(mid - away, 1e-6));
  q = corner;
  float w = eq8(szd.y);
  colour = overlay == 0 ? rgba : vec4(overlay == 1 ? mix(rgba.rgb, viridis(w), 0.85) : vec3(w), rgba.a);
  gl_Position = vec4(2.0 * pixel.x / size.x - 1.0, 1.0 - 2.0 * pixel.y / size.y, 0.0, 1.0);
}`;
const SPLAT_FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour; in vec2 q; out vec4 o;
void main() { float a = min(colour.a * exp(-0.5 * dot(q, q)), 0.999); if (a < 1.0 / 255.0) discard; o = vec4(colour.rgb * a, a); }`;

// expression: rest + sum of components, one fragment for each Gaussian, into the two tables the vertex shader reads
const DEPTHS = 2048, MOST_COMPONENTS = 32, LOOK = ["sizes", "turns", "rgba"];
const UPDATE_VERTEX = `#version 300 es
void main() { gl_Position = vec4(float((gl_VertexID & 1) * 4) - 1.0, float((gl_VertexID & 2) * 2) - 1.0, 0.0, 1.0); }`;
const UPDATE_FRAGMENT = `#version 300 es
precision highp float; precision highp int; precision highp isampler2DArray; precision highp sampler2D;
uniform sampler2D xyzd, sizes, turns, rgba; uniform isampler2DArray basis;
uniform vec4 factors[${MOST_COMPONENTS}]; uniform int components, groups, look;
layout(location=0) out uvec4 moving; layout(location=1) out uvec4 fixed_;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 x = texelFetch(xyzd, at, 0), s = texelFetch(sizes, at, 0), q = texelFetch(turns, at, 0), c = texelFetch(rgba, at, 0);
  for (int k = 0; k < components; k++) {
    if (factors[k] == vec4(0)) continue;
    x.xyz += factors[k].x * vec3(texelFetch(basis, ivec3(at, k * groups), 0).xyz);
    int own = k * groups + 1 + 3 * look;
    s.xyz += factors[k].y * vec3(texelFetch(basis, ivec3(at, own), 0).xyz);
    q += factors[k].z * vec4(texelFetch(basis, ivec3(at, own + 1), 0));
    c += factors[k].w * vec4(texelFetch(basis, ivec3(at, own + 2), 0));
  }
  uvec4 b = uvec4(clamp(c, 0.0, 255.0) + 0.5);
  vec3 size = exp(s.xyz);
  q = normalize(q); if (q.x < 0.0) q = -q;
  moving = uvec4(floatBitsToUint(x.xyz), b.x | (b.y << 8) | (b.z << 16) | (b.w << 24));
  fixed_ = uvec4(packHalf2x16(size.xy), packHalf2x16(vec2(size.z, x.w)), packSnorm2x16(q.yz), packSnorm2x16(vec2(q.w, s.w)));
}`;

class Splats {
  constructor(header, data) {
    const n = this.n = header.count, decode = (array, width, low, step) => Float32Array.from(array, (v, k) => low[k % width] + v * step[k % width]);
    this.header = header; this.data = data;
    this.rest = decode(data.position, 3, header.low, header.step);
    this.follow = Float32Array.from(data.follow, v => v / 255);
    this.groups = ["position", ...header.looks.flatMap((_, k) => LOOK.map(g => g + k))];
    this.looks = header.looks.map((_, k) => {
      const sizes = decode(data[`sizes${k}`], 3, header.sizeLow, header.sizeStep), offset = data[`offset${k}`], four = [0, 1, 2, 3].map(() => new Float32Array(4 * n));
      for (let i = 0; i < n; i++) {
        for (let c = 0; c < 3; c++) { four[0][4 * i + c] = this.rest[3 * i + c] + (offset ? offset[3 * i + c] * header.offsetStep : 0); four[1][4 * i + c] = sizes[3 * i + c]; }
        four[0][4 * i + 3] = data.distance[i] * header.distanceStep; four[1][4 * i + 3] = this.follow[i];
        for (let c = 0; c < 4; c++) { four[2][4 * i + c] = data[`turns${k}`][4 * i + c] / 127; four[3][4 * i + c] = data[`rgba${k}`][4 * i + c]; }
      }
      return { rest: four.map(array => padded(array, 4, n)) };
    });
    this.depth = new Float32Array(n); this.order = padded(new Uint32Array(n), 1, n); this.counts = new Uint32Array(DEPTHS); this.keys = new Uint32Array(n); this.half = new Uint32Array(n);
  }
  attach(gl) {
    this.gl = gl;
    this.shader = program(gl, SPLAT_VERTEX, SPLAT_FRAGMENT); this.update = program(gl, UPDATE_VERTEX, UPDATE_FRAGMENT);
    const { n, header, data } = this, indices = new Uint32Array(6 * n);
    for (let k = 0; k < n; k++) indices.set([4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 2, 4 * k + 1, 4 * k + 3], 6 * k);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer()); gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
    this.orderTable = table(gl, UNITS.order, gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, n);
    const layers = header.components.flatMap(c => this.groups.map(g => padded(data[`d${g}`].subarray(c.starts[g], c.starts[g] + 4 * c.rows), 4, n)));
    this.basis = table(gl, UNITS.basis, gl.RGBA8I, gl.RGBA_INTEGER, gl.BYTE, n, layers, Math.max(layers.length, 1));
    for (const look of this.looks) {
      look.tables = ["xyzd", "sizes", "turns", "rgba"].map((name, k) => table(gl, UNITS[name], gl.RGBA32F, gl.RGBA, gl.FLOAT, n, look.rest[k]));
      look.out = ["moving", "fixed_"].map(name => table(gl, UNITS[name], gl.RGBA32UI, gl.RGBA_INTEGER, gl.UNSIGNED_INT, n));
      look.frame = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, look.frame);
      look.out.forEach((o, k) => gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + k, gl.TEXTURE_2D, o.t, 0));
      gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.COLOR_ATTACHMENT1]);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    // hundreds of layers, each rounded to 8 bits, would add up to some per cent: they are summed in 16-bit floats
    this.sum = gl.getExtension("EXT_color_buffer_float") && { frame: gl.createFramebuffer(), store: gl.createRenderbuffer(), width: 0 };
    this.face = this.sorted = null;
  }
  summing(width, height) {
    const { gl, sum } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, sum.frame);
    if (sum.width === width) return;
    sum.width = width;
    gl.bindRenderbuffer(gl.RENDERBUFFER, sum.store); gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA16F, width, height);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, sum.store);
  }
  express(coefficients) {
    const key = coefficients.join();
    if (this.face === key) return;
    this.face = key; this.sorted = null;
    const { gl, header } = this, u = this.update.at;
    gl.useProgram(this.update.program);
    gl.disable(gl.BLEND); gl.disable(gl.SCISSOR_TEST); gl.disable(gl.DEPTH_TEST);
    gl.viewport(0, 0, WIDE, Math.ceil(this.n / WIDE));
    for (const name of ["xyzd", "sizes", "turns", "rgba", "basis"]) gl.uniform1i(u[name], UNITS[name]);
    gl.uniform1i(u.components, header.components.length); gl.uniform1i(u.groups, this.groups.length);
    this.basis.use();
    this.looks.forEach((look, l) => {
      const factors = header.components.flatMap(({ steps }, k) => ["position", ...LOOK.map(g => g + l)].map(g => coefficients[k] * steps[g]));
      if (factors.length) gl.uniform4fv(u.factors, factors);
      gl.uniform1i(u.look, l);
      for (const unit of [UNITS.moving, UNITS.fixed_]) { gl.activeTexture(gl.TEXTURE0 + unit); gl.bindTexture(gl.TEXTURE_2D, null); }  // not read while written
      look.tables.forEach(t => t.use());
      gl.bindFramebuffer(gl.FRAMEBUFFER, look.frame);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
  // radix sort by depth, 22 bits, farthest first; of an expression only its share along the view is computed here
  sort(camera, place, coefficients) {
    const key = [...camera.R, ...camera.t, ...place.head, ...place.headT, ...place.chest, ...place.chestT].map(x => x.toFixed(4)).join();
    if (this.sorted === key) return;
    this.sorted = key;
    const row = (m, t) => { const r = camera.R.slice(6); return [0, 1, 2].map(c => r[0] * m[c] + r[1] * m[3 + c] + r[2] * m[6 + c]).concat(r[0] * t[0] + r[1] * t[1] + r[2] * t[2] + camera.t[2]); };
    const h = row(place.head, place.headT), c = row(place.chest, place.chestT), { rest: x, follow, depth, n, counts, keys, order } = this;
    const [h0, h1, h2, h3] = h, [c0, c1, c2, c3] = c;
    for (let i = 0, p = 0; i < n; i++, p += 3) {
      const a = x[p], b = x[p + 1], d = x[p + 2], f = follow[i];
      depth[i] = f * (h0 * a + h1 * b + h2 * d + h3) + (1 - f) * (c0 * a + c1 * b + c2 * d + c3);
    }
    const basis = this.data.dposition;
    this.header.components.forEach(({ rows, steps, starts }, k) => {
      const factor = coefficients[k] * steps.position, u = factor * h0, v = factor * h1, w = factor * h2;
      if (Math.abs(factor) * 127 < 0.001) return;  // less than 0.1 mm
      for (let i = 0, b = starts.position; i < rows; i++, b += 4) depth[i] += u * basis[b] + v * basis[b + 1] + w * basis[b + 2];
    });
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < n; i++) { const z = depth[i]; if (z < low) low = z; if (z > high) high = z; }
    const factor = (DEPTHS * DEPTHS - 1) / Math.max(high - low, 1e-9);
    for (let i = 0; i < n; i++) keys[i] = (high - depth[i]) * factor;
    const pass = (from, to, shift) => {  // by 11 bits of the key, keeping the order of equals; equals begin with the last, as in Python
      counts.fill(0);
      for (let i = 0; i < n; i++) counts[(keys[i] >> shift) & (DEPTHS - 1)]++;
      for (let k = 0, sum = 0; k < DEPTHS; k++) { const count = counts[k]; counts[k] = sum; sum += count; }
      for (let q = 0; q < n; q++) { const i = from ? from[q] : n - 1 - q; to[counts[(keys[i] >> shift) & (DEPTHS - 1)]++] = i; }
    };
    pass(null, this.half, 0); pass(this.half, order, 11);
    this.orderTable.put(order);
  }
  place(state) {
    const m = this.data.motion, k = 32 * clamp(Math.round(state.frame || 0), 0, m.length / 32 - 1), at = (from, count) => Array.from(m.subarray(k + from, k + from + count));
    const [yaw, pitch, roll] = (state.pose || [0, 0, 0]).map(radians), turn = multiply(multiply(turnY(yaw), turnX(pitch)), turnZ(roll));
    const extra = quatMultiply(quatMultiply(about(1, yaw), about(0, pitch)), about(2, roll));
    return { head: multiply(at(0, 9), turn), headT: at(9, 3), headQ: quatMultiply(at(12, 4), extra), chest: at(16, 9), chestT: at(25, 3), chestQ: at(28, 4) };
  }
  coefficients(state) {
    const { header, data } = this, count = header.components.length, clip = header.clip ? header.clip.components : 0;
    const out = new Array(count).fill(0);
    const frame = header.clip ? clamp(Math.round(state.frame || 0), 0, header.clip.frames - 1) : 0;
    for (let k = 0; k < clip; k++) out[k] = data.coefficients[frame * clip + k];
    header.sliders.forEach((s, k) => { out[clip + k] = (state.sliders || {})[s.name] || 0; });
    return out;
  }
  draw(camera, state, width, height) {
    const gl = this.gl, u = this.shader.at, place = this.place(state), begun = performance.now();
    const coefficients = this.coefficients(state);
    this.express(coefficients);
    this.sort(camera, place, coefficients);
    this.milliseconds = performance.now() - begun;
    const raw = state.overlay === "raw", ground = raw ? 0 : 1;
    if (this.sum) this.summing(width, height);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST); gl.disable(gl.DEPTH_TEST);
    gl.clearColor(ground, ground, ground, 1); gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(this.shader.program);
    for (const name of ["moving", "fixed_", "order"]) gl.uniform1i(u[name], UNITS[name]);
    for (const name of ["head", "chest"]) { gl.uniformMatrix3fv(u[name], true, place[name]); gl.uniform3fv(u[name + "T"], place[name + "T"]); gl.uniform4fv(u[name + "Q"], place[name + "Q"]); }
    gl.uniformMatrix3fv(u.view, true, camera.R); gl.uniform3fv(u.viewT, camera.t);
    gl.uniform4fv(u.K, camera.K); gl.uniform2f(u.size, width, height);
    gl.uniform1f(u.scale, this.header.scale); gl.uniform1f(u.eps, 0.3 * Math.max(1, width / this.header.camera.width) ** 2);
    gl.uniform1i(u.overlay, raw ? 2 : state.overlay === "weights" ? 1 : 0);
    gl.uniform1f(u.alpha, state.alpha); gl.uniform1i(u.weak, state.b < state.boundary ? 1 : 0);
    this.orderTable.use();
    const show = look => { look.out.forEach(t => t.use()); gl.drawElements(gl.TRIANGLES, 6 * this.n, gl.UNSIGNED_INT, 0); };
    const edge = this.looks.length < 2 ? width : Math.round(clamp(state.wipe, 0, 1) * width);
    gl.enable(gl.SCISSOR_TEST);
    if (edge > 0) { gl.scissor(0, 0, edge, height); show(this.looks[0]); }
    if (edge < width) { gl.scissor(edge, 0, width - edge, height); show(this.looks[1]); }
    gl.disable(gl.SCISSOR_TEST);
    if (!this.sum) return;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.sum.frame); gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
}

// ---- meshes with a distance per vertex, landmarks on top
const MESH_VERTEX = `#version 300 es
precision highp float;
layout(location=0) in vec3 x; layout(location=1) in vec3 n; layout(location=2) in vec4 c; layout(location=3) in float d;
uniform mat3 view; uniform vec3 viewT; uniform vec4 K; uniform vec2 size; uniform int surface; uniform float points;
${WEIGHT}
out vec3 colour;
void main() {
  vec3 p = view * x + viewT, facing = view * n;
  vec3 base = surface == 1 ? viridis(eq8(d)) : surface == 2 ? 0.5 + 0.5 * n : c.rgb;
  float light = c.a < 0.5 || surface == 2 ? 1.0 : 0.35 + 0.65 * abs(facing.z);
  colour = points > 0.0 ? c.rgb : base * light;
  vec2 pixel = K.xy * p.xy / p.z + K.zw;
  float near = 0.5, far = 60.0, z = p.z - (points > 0.0 ? 0.06 : 0.0);
  gl_Position = vec4((2.0 * pixel.x / size.x - 1.0) * p.z, (1.0 - 2.0 * pixel.y / size.y) * p.z, ((far + near) * z - 2.0 * far * near) / (far - near), p.z);
  gl_PointSize = points;
}`;
const MESH_FRAGMENT = `#version 300 es
precision highp float;
uniform float points; in vec3 colour; out vec4 o;
void main() { if (points > 0.0 && length(gl_PointCoord - 0.5) > 0.5) discard; o = vec4(colour, 1); }`;

class Mesh {
  constructor(header, data) { this.header = header; this.data = data; this.normals = this.makeNormals(); }
  makeNormals() {
    const { verts, faces } = this.data, out = new Float32Array(verts.length);
    for (let f = 0; f < faces.length; f += 3) {
      const [i, j, k] = [faces[f] * 3, faces[f + 1] * 3, faces[f + 2] * 3], a = [0, 1, 2].map(c => verts[j + c] - verts[i + c]), b = [0, 1, 2].map(c => verts[k + c] - verts[i + c]);
      const n = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
      for (const v of [i, j, k]) for (let c = 0; c < 3; c++) out[v + c] += n[c];
    }
    for (let v = 0; v < out.length; v += 3) { const l = Math.hypot(out[v], out[v + 1], out[v + 2]) || 1; for (let c = 0; c < 3; c++) out[v + c] /= l; }
    return out;
  }
  attach(gl) {
    this.gl = gl; this.shader = program(gl, MESH_VERTEX, MESH_FRAGMENT);
    const bind = arrays => {
      const vao = gl.createVertexArray(); gl.bindVertexArray(vao);
      arrays.forEach(([array, width, normalise], k) => {
        gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer()); gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
        gl.enableVertexAttribArray(k); gl.vertexAttribPointer(k, width, normalise ? gl.UNSIGNED_BYTE : gl.FLOAT, normalise, 0, 0);
      });
      return vao;
    };
    const { verts, colours, distance, faces, landmarks } = this.data;
    this.surface = bind([[verts, 3], [this.normals, 3], [colours, 4, true], [distance, 1]]);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer()); gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
    const orange = new Uint8Array(landmarks.length / 3 * 4); for (let k = 0; k < orange.length; k += 4) orange.set([213, 94, 0, 255], k);
    this.points = bind([[landmarks, 3], [landmarks, 3], [orange, 4, true], [new Float32Array(landmarks.length / 3), 1]]);
    gl.bindVertexArray(null);
  }
  draw(camera, state, width, height) {
    const gl = this.gl, u = this.shader.at;
    gl.viewport(0, 0, width, height); gl.disable(gl.BLEND); gl.enable(gl.DEPTH_TEST); gl.clearColor(1, 1, 1, 1); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.useProgram(this.shader.program);
    gl.uniformMatrix3fv(u.view, true, camera.R); gl.uniform3fv(u.viewT, camera.t); gl.uniform4fv(u.K, camera.K); gl.uniform2f(u.size, width, height);
    gl.uniform1f(u.alpha, state.alpha); gl.uniform1i(u.weak, state.b < state.boundary ? 1 : 0);
    gl.uniform1i(u.surface, state.overlay === "weights" ? 1 : state.overlay === "normals" ? 2 : 0); gl.uniform1f(u.points, 0);
    gl.bindVertexArray(this.surface); gl.drawElements(gl.TRIANGLES, this.data.faces.length, gl.UNSIGNED_INT, 0);
    if (state.landmarks !== false) { gl.uniform1f(u.points, Math.max(5, width / 70)); gl.bindVertexArray(this.points); gl.drawArrays(gl.POINTS, 0, this.data.landmarks.length / 3); }
    gl.bindVertexArray(null);
  }
  // the landmark nearest to a canvas position, within 12 pixels
  pick(camera, x, y) {
    let best = null, closest = 12;
    this.header.names.forEach((name, k) => {
      const p = apply(camera.R, Array.from(this.data.landmarks.subarray(3 * k, 3 * k + 3))).map((v, c) => v + camera.t[c]);
      const away = Math.hypot(camera.K[0] * p[0] / p[2] + camera.K[2] - x, camera.K[1] * p[1] / p[2] + camera.K[3] - y);
      if (away < closest) { closest = away; best = `${k}: ${name}`; }
    });
    return best;
  }
}

// ---- a canvas with a camera that people turn; at most MOST of them hold a GL context, and only while seen
const MOST = 6, live = (globalThis.stkitLive ??= []);  // shared by all copies of this module on a page
class Stage {
  constructor(canvas, layer, header, state, changed) {
    Object.assign(this, { canvas, layer, header, state, changed, view: { yaw: 0, pitch: 0, zoom: 0, x: 0, y: 0 }, drawn: 0 });
    this.stop = new AbortController();
    this.input();
    this.observer = new IntersectionObserver(found => { this.seen = found.at(-1).isIntersecting; if (this.seen) this.wake(); else this.sleep(); });
    this.observer.observe(canvas);
  }
  wake() {
    if (this.gl) return;
    while (live.length >= MOST) (live.find(s => !s.seen) || live[0]).sleep();
    this.seen = true;
    if (this.used) { const fresh = this.canvas.cloneNode(); this.canvas.replaceWith(fresh); this.canvas = fresh; this.stop.abort(); this.stop = new AbortController(); this.input(); this.observer.disconnect(); this.observer.observe(fresh); }
    const gl = this.canvas.getContext("webgl2", { antialias: this.layer instanceof Mesh, alpha: false, preserveDrawingBuffer: true });
    if (!gl) { this.failed?.("This browser has no WebGL 2, so the 3D view stays empty."); return; }
    this.used = true; this.gl = gl; live.push(this);
    this.canvas.addEventListener("webglcontextlost", () => { if (this.gl === gl) { this.sleep(); if (this.seen) setTimeout(() => this.wake(), 100); } }, { signal: this.stop.signal });
    this.layer.attach(gl);
    this.ask();
  }
  sleep() {
    if (!this.gl) return;
    live.splice(live.indexOf(this), 1);
    cancelAnimationFrame(this.pending); this.pending = 0;
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.gl = null;
  }
  end() { this.observer.disconnect(); this.stop.abort(); this.sleep(); }
  ask() { if (this.gl && !this.pending) this.pending = requestAnimationFrame(() => { this.pending = 0; this.draw(); }); }
  camera() {
    const base = this.header.camera, v = this.view, W = base.viewmat, R0 = [W[0], W[1], W[2], W[4], W[5], W[6], W[8], W[9], W[10]], T0 = [W[3], W[7], W[11]], pivot = this.header.pivot;
    const R = multiply(multiply(turnX(v.pitch), R0), turnY(v.yaw)), centre = apply(R0, pivot).map((x, k) => x + T0[k]);
    centre[0] += v.x; centre[1] += v.y; centre[2] *= Math.exp(-v.zoom);
    this.distance = centre[2];
    const t = apply(R, pivot).map((x, k) => centre[k] - x), size = this.canvas.width / base.width;
    return { R, t, K: [base.K[0], base.K[4], base.K[2], base.K[5]].map(x => x * size) };
  }
  draw() {
    if (!this.gl || this.gl.isContextLost()) return;
    const wide = Math.round(this.header.size || clamp((this.canvas.clientWidth || 512) * Math.min(devicePixelRatio, 2), 128, 1024));
    if (this.canvas.width !== wide) { this.canvas.width = wide; this.canvas.height = wide; }
    this.layer.draw(this.camera(), this.state, wide, wide);
    this.drawn++;
  }
  moved() { this.ask(); clearTimeout(this.later); this.later = setTimeout(() => this.changed?.(), 150); }
  reset() { Object.assign(this.view, { yaw: 0, pitch: 0, zoom: 0, x: 0, y: 0 }); this.moved(); }
  input() {
    const c = this.canvas, v = this.view, on = (name, f) => c.addEventListener(name, f, { signal: this.stop.signal, passive: false });
    const held = new Map();
    let apart = 0;
    const orbit = (dx, dy) => { v.yaw += dx; v.pitch = clamp(v.pitch + dy, -1.4, 1.4); this.moved(); };
    const pan = (dx, dy) => { const far = this.distance / this.header.camera.K[0] * this.header.camera.width / c.clientWidth; v.x += dx * far; v.y += dy * far; this.moved(); };
    on("pointerdown", e => { c.setPointerCapture(e.pointerId); held.set(e.pointerId, [e.clientX, e.clientY]); c.focus({ preventScroll: true }); });
    on("pointerup", e => { held.delete(e.pointerId); apart = 0; });
    on("pointercancel", e => { held.delete(e.pointerId); apart = 0; });
    on("pointermove", e => {
      this.hover?.(e);
      const last = held.get(e.pointerId);
      if (!last) return;
      const dx = e.clientX - last[0], dy = e.clientY - last[1];
      held.set(e.pointerId, [e.clientX, e.clientY]);
      if (held.size === 2) {
        const [a, b] = [...held.values()], now = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (apart) v.zoom = clamp(v.zoom + Math.log(now / apart), -1.5, 1.8);
        apart = now; pan(dx / 2, dy / 2);
      } else if (e.shiftKey || e.buttons === 2) pan(dx, dy); else orbit(dx * 0.008, dy * 0.008);
    });
    on("contextmenu", e => e.preventDefault());
    on("dblclick", () => this.reset());
    on("wheel", e => { if (document.activeElement !== c) return; e.preventDefault(); v.zoom = clamp(v.zoom - e.deltaY * 0.001, -1.5, 1.8); this.moved(); });
    on("keydown", e => {
      const step = { ArrowLeft: () => orbit(-0.08, 0), ArrowRight: () => orbit(0.08, 0), ArrowUp: () => orbit(0, -0.08), ArrowDown: () => orbit(0, 0.08), Home: () => this.reset(),
        "+": () => { v.zoom = clamp(v.zoom + 0.1, -1.5, 1.8); this.moved(); }, "-": () => { v.zoom = clamp(v.zoom - 0.1, -1.5, 1.8); this.moved(); }, " ": () => this.toggle?.() }[e.key];
      if (e.shiftKey && e.key.startsWith("Arrow")) pan(...{ ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[e.key]); else if (step) step(); else return;
      e.preventDefault(); e.stopPropagation();
    });
  }
}

// ---- page elements
const STYLE = `.stkit{font:14px/1.45 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:860px;padding:4px}
.stkit .row{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:flex-start}
.stkit .view{position:relative;width:min(512px,100%);aspect-ratio:1}
.stkit canvas{width:100%;height:100%;display:block;border:1px solid #ddd;border-radius:6px;touch-action:none;cursor:grab}
.stkit canvas:focus-visible,.stkit input:focus-visible,.stkit button:focus-visible,.stkit select:focus-visible{outline:3px solid #0072b2;outline-offset:1px}
.stkit .panel{flex:1 1 250px;min-width:230px}.stkit fieldset{border:1px solid #ddd;border-radius:6px;margin:0 0 8px;padding:4px 10px 8px}.stkit legend{font-weight:600;padding:0 4px}
.stkit label{display:grid;grid-template-columns:7.5em 1fr 3.2em;gap:6px;align-items:center}.stkit output{font-variant-numeric:tabular-nums;text-align:right}
.stkit input[type=range]{width:100%;accent-color:#0072b2}.stkit button,.stkit select{font:inherit;padding:2px 10px}
.stkit .note{color:#555;font-size:12.5px;margin:4px 0}.stkit .tip{position:absolute;pointer-events:none;background:#1b1b1b;color:#fff;padding:1px 7px;border-radius:4px;font-size:12.5px}
.stkit .wipe{position:relative;max-width:100%}.stkit .wipe img{display:block;width:100%}.stkit .wipe img+img{position:absolute;inset:0}.stkit figure{margin:0;max-width:100%}.stkit figure img{max-width:100%}`;
const make = (tag, properties = {}, ...children) => { const e = document.createElement(tag); for (const [k, v] of Object.entries(properties)) k in e && k !== "list" ? e[k] = v : e.setAttribute(k, v); e.append(...children); return e; };
function range(parent, name, low, high, step, value, input, show = v => v.toFixed(2)) {
  const out = make("output", { textContent: show(value) }), bar = make("input", { type: "range", min: low, max: high, step, value, "aria-label": name });
  bar.addEventListener("input", () => { out.textContent = show(+bar.value); input(+bar.value); });
  bar.addEventListener("keydown", e => e.stopPropagation());
  parent.append(make("label", {}, make("span", { textContent: name }), bar, out));
  return { bar, set(v) { bar.value = v; out.textContent = show(+v); } };
}
function choice(parent, name, options, value, input) {
  const box = make("select", { "aria-label": name });
  for (const [v, text] of options) box.append(make("option", { value: v, textContent: text, selected: v === value }));
  box.addEventListener("change", () => input(box.value));
  parent.append(make("label", {}, make("span", { textContent: name }), box));
  return box;
}

// ---- the three viewers; model has get, set, save_changes, on (anywidget's, or mount's stand-in)
function scene(model, el, header, data, splats) {
  const state = { frame: 0, playing: false, wipe: 0.5, overlay: "none", alpha: 5, b: 0.8, boundary: 0.5, sliders: {}, pose: [0, 0, 0], ...model.get("state") };
  const canvas = make("canvas", { tabIndex: 0, role: "img" });
  canvas.setAttribute("aria-label", `${header.alt} Arrow keys turn, shift and arrows move, plus and minus zoom, Home resets${header.clip ? ", space plays" : ""}.`);
  const layer = splats ? new Splats(header, data) : new Mesh(header, data), view = make("div", { className: "view" }, canvas), panel = make("div", { className: "panel" }), status = make("div", { className: "note", role: "status" });
  const stage = new Stage(canvas, layer, header, state, () => sync());
  stage.failed = text => { status.textContent = text; };
  const cameraNow = () => { const c = stage.camera(), s = header.camera.width / stage.canvas.width; return { viewmat: [...c.R.slice(0, 3), c.t[0], ...c.R.slice(3, 6), c.t[1], ...c.R.slice(6), c.t[2], 0, 0, 0, 1], K: [c.K[0] * s, 0, c.K[2] * s, 0, c.K[1] * s, c.K[3] * s, 0, 0, 1], width: header.camera.width, height: header.camera.height }; };
  function sync() { model.set("camera", cameraNow()); model.set("state", { ...state, sliders: { ...state.sliders } }); model.save_changes(); }
  const change = (key, value) => { state[key] = value; stage.moved(); };
  const group = title => { const f = make("fieldset", {}, make("legend", { textContent: title })); panel.append(f); return f; };
  const follow = [];  // each control's way to take over a changed state
  let timer = 0, scrub;
  const stopPlaying = () => { clearInterval(timer); timer = 0; state.playing = false; };
  if (header.clip) {
    const f = group("Clip"), play = make("button", { type: "button", textContent: "Play" });
    const toggle = on => { stopPlaying(); if (on) { state.playing = true; timer = setInterval(() => { state.frame = (state.frame + 1) % header.clip.frames; scrub.set(state.frame); stage.ask(); }, 1000 / header.clip.fps); } play.textContent = on ? "Pause" : "Play"; stage.moved(); };
    play.addEventListener("click", () => toggle(!timer)); stage.toggle = () => toggle(!timer);
    f.append(play);
    follow.push(() => { scrub.set(state.frame); if (state.playing !== Boolean(timer)) toggle(state.playing); });
    scrub = range(f, "frame", 0, header.clip.frames - 1, 1, state.frame, v => { toggle(false); change("frame", v); }, v => v.toFixed(0));
    if (state.playing && !matchMedia("(prefers-reduced-motion: reduce)").matches) toggle(true);
  }
  if (splats && header.looks.length > 1) { const r = range(group(`${header.looks[0]} | ${header.looks[1]}`), "wipe", 0, 1, 0.01, state.wipe, v => change("wipe", v)); follow.push(() => r.set(state.wipe)); }
  const resets = [];
  if (splats && header.sliders.length) {
    const f = group("Expression");
    for (const s of header.sliders) resets.push(range(f, s.name, s.low, s.high, 0.05, state.sliders[s.name] || 0, v => { state.sliders[s.name] = v; stage.moved(); }));
    const own = resets.slice();
    follow.push(() => header.sliders.forEach((s, k) => own[k].set(state.sliders[s.name] || 0)));
  }
  if (splats && header.posable) {
    const f = group("Head pose (degrees)");
    ["yaw", "pitch", "roll"].forEach((name, k) => resets.push(range(f, name, -35, 35, 1, state.pose[k], v => { state.pose = state.pose.map((x, i) => i === k ? v : x); stage.moved(); }, v => v.toFixed(0))));
    const own = resets.slice(-3);
    follow.push(() => own.forEach((r, k) => r.set(state.pose[k])));
  }
  if (header.weights) {
    const f = group("Weights (Eq. 8)");
    const overlay = choice(f, "show", splats ? [["none", "the head"], ["weights", "w over it"]] : [["none", "colours"], ["weights", "weights"], ["normals", "normals"]], state.overlay, v => change("overlay", v));
    const said = make("div", { className: "note" }), tell = () => { said.textContent = state.b >= state.boundary ? `b ≥ boundary: a strong edit, weighs w` : `b < boundary: a weak edit, weighs 1 − w`; };
    const alpha = range(f, "alpha (1/dm)", 0.5, 20, 0.1, state.alpha, v => change("alpha", v), v => v.toFixed(1));
    const b = range(f, "b", 0, 1, 0.01, state.b, v => { change("b", v); tell(); });
    const boundary = range(f, "boundary", 0, 1, 0.01, state.boundary, v => { change("boundary", v); tell(); });
    f.append(said); tell();
    follow.push(() => { overlay.value = state.overlay; alpha.set(state.alpha); b.set(state.b); boundary.set(state.boundary); tell(); });
  }
  const reset = make("button", { type: "button", textContent: "Reset" });
  reset.addEventListener("click", () => { state.sliders = {}; state.pose = [0, 0, 0]; resets.forEach(r => r.set(0)); stage.reset(); });
  panel.append(reset);
  if (!splats && header.names.length) {
    const tip = make("div", { className: "tip", role: "status", hidden: true }); view.append(tip);
    stage.hover = e => {
      const box = stage.canvas.getBoundingClientRect(), s = stage.canvas.width / box.width, found = layer.pick(stage.camera(), (e.clientX - box.left) * s, (e.clientY - box.top) * s);
      tip.hidden = !found; if (found) { tip.textContent = found; tip.style.left = `${e.clientX - box.left + 12}px`; tip.style.top = `${e.clientY - box.top}px`; }
    };
  }
  el.append(make("div", { className: "row" }, view, panel), make("p", { className: "note", textContent: header.caption || "" }), make("p", { className: "note", textContent: "Drag to turn, shift-drag to move, click and wheel to zoom, double-click to reset." }), status);
  const listen = () => { Object.assign(state, model.get("state")); follow.forEach(f => f()); stage.ask(); };
  model.on("change:state", listen);
  el.stkit = { stage, layer, state, change, camera: cameraNow };
  return () => { stopPlaying(); clearTimeout(stage.later); model.off?.("change:state", listen); stage.end(); };
}

function compare(el, header, data) {
  const urls = new Map(), url = name => { if (!urls.has(name)) urls.set(name, URL.createObjectURL(new Blob([data[name]], { type: header.type }))); return urls.get(name); };
  const img = (name, text) => ({ name, e: make("img", { alt: text }) });
  const sides = header.beside.map((text, k) => img(`beside${k}_`, `${text}: ${header.alt}`));
  const [before, after] = header.looks.map((text, k) => img(k ? "after" : "before", `${text}: ${header.alt}`));
  const box = make("div", { className: "wipe" }, before.e, after.e), row = make("div", { className: "row" }), f = make("div"), count = header.frames.length;
  const panel = (e, text) => { e.style.width = `${header.width}px`; row.append(make("figure", {}, e, make("figcaption", { className: "note", textContent: text }))); };
  sides.forEach((s, k) => panel(s.e, header.beside[k]));
  panel(box, `${header.looks[0]} | ${header.looks[1]}`);
  const cut = v => { after.e.style.clipPath = `inset(0 0 0 ${100 * v}%)`; };
  let now = 0, timer = 0, bar = null;
  const show = k => { now = k; for (const { name, e } of [...sides, before, after]) e.src = url(name + k); };
  el.append(row, f, make("p", { className: "note", textContent: header.caption || "" }));
  range(f, "wipe", 0, 1, 0.01, 0.5, cut);
  const pause = () => { clearInterval(timer); timer = 0; };
  if (count > 1) bar = range(f, "frame", 0, count - 1, 1, 0, k => { stop(); show(k); }, v => String(header.frames[v]));
  let stop = pause;
  if (header.fps) {
    const play = make("button", { type: "button", textContent: "Play" });
    stop = () => { pause(); play.textContent = "Play"; };
    play.addEventListener("click", () => { if (timer) return stop(); play.textContent = "Pause"; timer = setInterval(() => { show((now + 1) % count); bar.set(now); }, 1000 / header.fps); });
    f.prepend(play);
  }
  cut(0.5); show(0);
  el.film = { get frame() { return now; }, get playing() { return Boolean(timer); } };
  return () => { pause(); urls.forEach(u => URL.revokeObjectURL(u)); };
}

function start(model, el, header, bytes) {
  el.classList.add("stkit");
  el.append(make("style", { textContent: STYLE }));
  const data = unpack(header, bytes);
  return header.kind === "compare" ? compare(el, header, data) : scene(model, el, header, data, header.kind === "splats");
}

export default { render({ model, el }) { return start(model, el, model.get("header"), model.get("data")); } };

// a page without a kernel: the same viewer on gzipped, base64-coded bytes
export async function mount(el, header, text) {
  const packed = Uint8Array.from(atob(text.trim()), c => c.charCodeAt(0));
  const bytes = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  const values = { state: header.state || {} };
  return start({ get: k => values[k], set: (k, v) => { values[k] = v; }, save_changes() {}, on() {} }, el, header, bytes);
}
