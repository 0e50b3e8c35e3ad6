// sha256 of src/: 469ee21d5ead4ee254098f87176c5bc4dd16dd6669313130253eec43e04cd807
// Bundled by `make viewer`: change stkit/viewers/src/, not this file.

// src/elements.js
function create(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
function createButton(text, onClick) {
  const button = create("button", { type: "button", textContent: text });
  button.addEventListener("click", onClick);
  return button;
}
var Slider = class {
  /**
   * @param {HTMLElement} parent where it is appended
   * @param {string} name its label
   * @param {Range} range its values
   * @param {(value: number) => void} onInput called with a value that a person has set
   */
  constructor(parent, name, range, onInput) {
    const { low, high, step, value } = range;
    this.format = range.format ?? ((v) => v.toFixed(2));
    this.output = create("output", { textContent: this.format(value) });
    this.input = create("input", { type: "range", min: low, max: high, step, value });
    this.input.setAttribute("aria-label", name);
    this.input.addEventListener("input", () => {
      this.output.textContent = this.format(Number(this.input.value));
      onInput(Number(this.input.value));
    });
    this.input.addEventListener("keydown", (event) => event.stopPropagation());
    const label = create("span", { textContent: name });
    parent.append(create("label", {}, label, this.input, this.output));
  }
  /**
   * Show a value without calling `onInput`.
   * @param {number} value the value
   */
  set(value) {
    this.input.value = value;
    this.output.textContent = this.format(Number(value));
  }
};
function appendMenu(parent, name, options, value, onChange) {
  const menu = create("select", { "aria-label": name });
  for (const [option, text] of options) {
    menu.append(create("option", { value: option, textContent: text, selected: option === value }));
  }
  menu.addEventListener("change", () => onChange(menu.value));
  parent.append(create("label", {}, create("span", { textContent: name }), menu));
  return menu;
}

// src/playback.js
var Playback = class {
  /**
   * @param {number} fps frames a second
   * @param {() => void} onFrame called for every frame
   */
  constructor(fps, onFrame) {
    this.fps = fps;
    this.onFrame = onFrame;
    this.timer = 0;
    this.button = createButton("Play", () => this.onToggle(!this.playing));
    this.onToggle = (on) => this.toggle(on);
  }
  /** @returns {boolean} whether it plays */
  get playing() {
    return Boolean(this.timer);
  }
  /**
   * Start or stop.
   * @param {boolean} on whether it should play
   */
  toggle(on) {
    this.stop();
    if (on) this.timer = setInterval(this.onFrame, 1e3 / this.fps);
    this.button.textContent = on ? "Pause" : "Play";
  }
  /** Stop the clock and leave the button as it is. */
  stop() {
    clearInterval(this.timer);
    this.timer = 0;
  }
};

// src/compare.js
function showCompare(el, header, data) {
  const files = new ImageFiles(data, header.type);
  const pictures = createPictures(header);
  const count = header.frames.length;
  const controls = create("div");
  let frame = 0;
  const show = (k) => {
    frame = k;
    for (const { name, image } of pictures.all) image.src = files.url(`${name}${k}`);
  };
  const wipe = (share) => {
    pictures.after.style.clipPath = `inset(0 0 0 ${100 * share}%)`;
  };
  el.append(
    pictures.row,
    controls,
    create("p", { className: "note", textContent: header.caption || "" })
  );
  new Slider(controls, "wipe", { low: 0, high: 1, step: 0.01, value: 0.5 }, wipe);
  const playback = new Playback(header.fps, () => {
    show((frame + 1) % count);
    scrubber?.set(frame);
  });
  const format = (k) => String(header.frames[k]);
  const range = { low: 0, high: count - 1, step: 1, value: 0, format };
  const onScrub = (k) => {
    playback.toggle(false);
    show(k);
  };
  const scrubber = count > 1 ? new Slider(controls, "frame", range, onScrub) : null;
  if (header.fps) controls.prepend(playback.button);
  wipe(0.5);
  show(0);
  el.film = {
    get frame() {
      return frame;
    },
    get playing() {
      return playback.playing;
    }
  };
  return () => {
    playback.stop();
    files.revoke();
  };
}
var ImageFiles = class {
  constructor(data, type) {
    this.data = data;
    this.type = type;
    this.urls = /* @__PURE__ */ new Map();
  }
  url(name) {
    if (!this.urls.has(name)) {
      const blob = new Blob([this.data[name]], { type: this.type });
      this.urls.set(name, URL.createObjectURL(blob));
    }
    return this.urls.get(name);
  }
  revoke() {
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
  }
};
function createPictures(header) {
  const createPicture = (name, label) => ({
    name,
    image: create("img", { alt: `${label}: ${header.alt}` })
  });
  const row = create("div", { className: "row" });
  const addFigure = (content, caption) => {
    content.style.width = `${header.width}px`;
    const text = create("figcaption", { className: "note", textContent: caption });
    row.append(create("figure", {}, content, text));
  };
  const beside = header.beside.map((label, k) => createPicture(`beside${k}_`, label));
  beside.forEach(({ image }, k) => addFigure(image, header.beside[k]));
  const before = createPicture("before", header.looks[0]);
  const after = createPicture("after", header.looks[1]);
  const box = create("div", { className: "wipe" }, before.image, after.image);
  addFigure(box, `${header.looks[0]} | ${header.looks[1]}`);
  return { row, all: [...beside, before, after], after: after.image };
}

// src/packet.js
var TYPES = {
  f4: Float32Array,
  u4: Uint32Array,
  u2: Uint16Array,
  i2: Int16Array,
  u1: Uint8Array,
  i1: Int8Array
};
function unpack(header, bytes) {
  const whole = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = {};
  for (const [name, [offset, type, length]] of Object.entries(header.arrays)) {
    const TypedArray = TYPES[type];
    const end = offset + length * TypedArray.BYTES_PER_ELEMENT;
    data[name] = new TypedArray(whole.slice(offset, end).buffer);
  }
  return data;
}
async function decompress(text) {
  const packed = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// src/puppet.js
var WIDTH = 320;
var QUALITY = 0.8;
var HIDDEN = 200;
function addPuppet(el, header, ask) {
  const camera = header.puppet === "stream" ? new Stream() : new Camera();
  const off = `The ${camera.name} is off.`;
  const light = create("span", {
    className: "light",
    textContent: `● ${camera.name} on`,
    hidden: true
  });
  const status = create("span", { className: "note", role: "status", textContent: off });
  const show = ({ coefficients, motion, status: words }) => {
    status.textContent = words;
    if (!motion) return;
    const { state, stage } = el.stkit;
    state.live = { coefficients, motion: Float32Array.from(motion) };
    stage.draw();
    el.dataset.followed = Number(el.dataset.followed || 0) + 1;
  };
  const start2 = createButton(`Start the ${camera.name}`, async () => {
    start2.disabled = true;
    try {
      await camera.start();
    } catch (error) {
      status.textContent = `No camera: ${error.message}`;
      start2.disabled = false;
      return;
    }
    light.hidden = false;
    stop.disabled = false;
    await ask({ kind: "forget" });
    follow(camera, ask, show);
  });
  const stop = createButton("Stop", () => {
    camera.stop();
    light.hidden = true;
    stop.disabled = true;
    start2.disabled = false;
    status.textContent = off;
  });
  stop.disabled = true;
  el.prepend(create("div", { className: "studio" }, start2, stop, light, status));
}
async function follow(camera, ask, show) {
  while (camera.on) {
    if (document.hidden) {
      await new Promise((resolve) => setTimeout(resolve, HIDDEN));
      continue;
    }
    const begun = performance.now();
    const { answer } = await ask({ kind: "frame", picture: await camera.picture() });
    if (!camera.on) return;
    show(answer);
    if (answer.motion) {
      const latency = Math.round(performance.now() - begun);
      show({ status: `${answer.status}; from camera to picture ${latency} ms` });
    }
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
}
var Stream = class {
  name = "stream";
  on = false;
  async start() {
    this.on = true;
  }
  stop() {
    this.on = false;
  }
  async picture() {
    return null;
  }
};
var Camera = class {
  name = "camera";
  constructor() {
    this.video = create("video", { muted: true, playsInline: true });
    this.canvas = create("canvas");
    this.on = false;
  }
  /** Ask the person for the camera and start it. */
  async start() {
    if (!navigator.mediaDevices) throw new Error("this page may not use one");
    const wanted = { video: { width: WIDTH, facingMode: "user" }, audio: false };
    this.stream = await navigator.mediaDevices.getUserMedia(wanted);
    this.video.srcObject = this.stream;
    await this.video.play();
    this.on = true;
  }
  /** Turn it off. */
  stop() {
    this.on = false;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
  /**
   * What it sees now.
   * @returns {Promise<string>} a JPEG in base64
   */
  async picture() {
    const { video, canvas } = this;
    canvas.width = WIDTH;
    canvas.height = Math.round(WIDTH * video.videoHeight / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", QUALITY).split(",")[1];
  }
};

// src/sound_playback.js
var SoundPlayback = class {
  /**
   * @param {{frames: number, fps: number, sound: string}} clip sound: a data URL
   * @param {(frame: number) => void} onFrame shows a frame
   */
  constructor(clip, onFrame) {
    this.clip = clip;
    this.onFrame = onFrame;
    this.audio = new Audio(clip.sound);
    this.audio.onended = () => this.onToggle(false);
    this.button = createButton("Play", () => this.onToggle(!this.playing));
    this.onToggle = (on) => this.toggle(on);
  }
  /** @returns {boolean} whether it plays */
  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }
  /**
   * Start or stop. A browser may refuse to start before a person has touched the page.
   * @param {boolean} on whether it should play
   */
  toggle(on) {
    this.stop();
    if (on)
      this.audio.play().then(() => this.follow()).catch(() => this.onToggle(false));
    this.button.textContent = on ? "Pause" : "Play";
  }
  /** Stop and leave the button as it is. */
  stop() {
    this.audio.pause();
  }
  /**
   * Go to a frame's moment.
   * @param {number} frame its number
   */
  seek(frame) {
    this.audio.currentTime = frame / this.clip.fps;
  }
  // show the sound's moment until it stops
  follow() {
    if (!this.playing) return;
    const frame = Math.floor(this.audio.currentTime * this.clip.fps);
    this.onFrame(Math.min(frame, this.clip.frames - 1));
    requestAnimationFrame(() => this.follow());
  }
};

// src/control_panel.js
var MAX_POSE = 35;
var wholeNumber = (value) => value.toFixed(0);
var oneDigit = (value) => value.toFixed(1);
var EDIT_STRONG = "b ≥ boundary: a strong edit, weighs w";
var EDIT_WEAK = "b < boundary: a weak edit, weighs 1 − w";
var SPLAT_OVERLAYS = [
  ["none", "the head"],
  ["weights", "w over it"]
];
var MESH_OVERLAYS = [
  ["none", "colours"],
  ["weights", "weights"],
  ["normals", "normals"]
];
var ControlPanel = class {
  /**
   * @param {object} header the packet's header
   * @param {object} state what the controls set, see scene.js
   * @param {import("./stage.js").Stage} stage told of every change
   */
  constructor(header, state, stage) {
    this.header = header;
    this.state = state;
    this.stage = stage;
    this.element = create("div", { className: "panel" });
    this.followers = [];
    this.resettable = [];
    this.playback = null;
    const splats = header.kind === "splats";
    if (header.clip) this.addClip();
    if (splats && header.looks.length > 1) this.addWipe();
    if (splats && header.art) this.addArt();
    if (splats && header.sliders.length) this.addExpression();
    if (splats && header.posable) this.addPose();
    if (header.weights) this.addWeights(splats ? SPLAT_OVERLAYS : MESH_OVERLAYS);
    this.element.append(createButton("Reset", () => this.reset()));
  }
  /** Show the state after it was set from elsewhere. */
  follow() {
    for (const follower of this.followers) follower();
  }
  /** Stop playing. */
  end() {
    this.playback?.stop();
    this.state.playing = false;
  }
  /**
   * Set one value of the state.
   * @param {string} key its name
   * @param {unknown} value the value
   */
  set(key, value) {
    this.state[key] = value;
    this.stage.changed();
  }
  group(title) {
    const fieldset = create("fieldset", {}, create("legend", { textContent: title }));
    this.element.append(fieldset);
    return fieldset;
  }
  reset() {
    this.state.sliders = {};
    this.state.pose = [0, 0, 0];
    for (const slider of this.resettable) slider.set(0);
    this.stage.reset();
  }
  addClip() {
    const { state, stage } = this;
    const { clip } = this.header;
    const show = (frame) => {
      state.frame = frame;
      scrubber.set(frame);
      stage.requestDraw();
    };
    const playback = clip.sound ? new SoundPlayback(clip, show) : new Playback(clip.fps, () => show((state.frame + 1) % clip.frames));
    playback.onToggle = (on) => {
      state.playing = on;
      playback.toggle(on);
      stage.changed();
    };
    const group = this.group("Clip");
    group.append(playback.button);
    const last = clip.frames - 1;
    const range = { low: 0, high: last, step: 1, value: state.frame, format: wholeNumber };
    const scrubber = new Slider(group, "frame", range, (frame) => {
      playback.onToggle(false);
      playback.seek?.(frame);
      this.set("frame", frame);
    });
    stage.onPlayKey = () => playback.onToggle(!playback.playing);
    this.followers.push(() => {
      scrubber.set(state.frame);
      if (state.playing !== playback.playing) playback.onToggle(state.playing);
    });
    this.playback = playback;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (state.playing && !still) playback.onToggle(true);
  }
  addWipe() {
    const [before, after] = this.header.looks;
    const range = { low: 0, high: 1, step: 0.01, value: this.state.wipe };
    const group = this.group(`${before} | ${after}`);
    const slider = new Slider(group, "wipe", range, (value) => this.set("wipe", value));
    this.followers.push(() => slider.set(this.state.wipe));
  }
  addArt() {
    const { state } = this;
    const group = this.group("Art style");
    const names = this.header.art.styles.map(({ name }) => [name, name]);
    const menu = appendMenu(
      group,
      "style",
      [["", "none"], ...names],
      state.style,
      (name) => this.set("style", name)
    );
    const add = (label, key) => {
      const range = { low: 0, high: 1, step: 0.01, value: state[key] };
      return new Slider(group, label, range, (value) => this.set(key, value));
    };
    const degree = add("degree d_s", "degree");
    const transfer = add("colour", "transfer");
    this.followers.push(() => {
      menu.value = state.style;
      degree.set(state.degree);
      transfer.set(state.transfer);
    });
  }
  addExpression() {
    const { state } = this;
    const group = this.group("Expression");
    for (const { name, low, high } of this.header.sliders) {
      const range = { low, high, step: 0.05, value: state.sliders[name] || 0 };
      const slider = new Slider(group, name, range, (value) => {
        state.sliders[name] = value;
        this.stage.changed();
      });
      this.resettable.push(slider);
      this.followers.push(() => slider.set(state.sliders[name] || 0));
    }
  }
  addPose() {
    const { state } = this;
    const group = this.group("Head pose (degrees)");
    ["yaw", "pitch", "roll"].forEach((name, k) => {
      const value = state.pose[k];
      const range = { low: -MAX_POSE, high: MAX_POSE, step: 1, value, format: wholeNumber };
      const slider = new Slider(group, name, range, (degrees) => {
        this.set(
          "pose",
          state.pose.map((other, i) => i === k ? degrees : other)
        );
      });
      this.resettable.push(slider);
      this.followers.push(() => slider.set(state.pose[k]));
    });
  }
  addWeights(overlays) {
    const { state } = this;
    const group = this.group("Weights (Eq. 8)");
    const overlay = appendMenu(
      group,
      "show",
      overlays,
      state.overlay,
      (value) => this.set("overlay", value)
    );
    const note = create("div", { className: "note" });
    const explain = () => {
      note.textContent = state.b >= state.boundary ? EDIT_STRONG : EDIT_WEAK;
    };
    const add = (label, key, range) => new Slider(group, label, { ...range, value: state[key] }, (value) => {
      this.set(key, value);
      explain();
    });
    const fraction = { low: 0, high: 1, step: 0.01 };
    const alphas = { low: 0.5, high: 20, step: 0.1, format: oneDigit };
    const alpha = add("alpha (1/dm)", "alpha", alphas);
    const b = add("b", "b", fraction);
    const boundary = add("boundary", "boundary", fraction);
    group.append(note);
    explain();
    this.followers.push(() => {
      overlay.value = state.overlay;
      alpha.set(state.alpha);
      b.set(state.b);
      boundary.set(state.boundary);
      explain();
    });
  }
};

// src/math.js
function multiply(a, b) {
  const product = new Array(9).fill(0);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      for (let k = 0; k < 3; k++) {
        product[3 * row + column] += a[3 * row + k] * b[3 * k + column];
      }
    }
  }
  return product;
}
function apply(m, x) {
  return [0, 1, 2].map((row) => m[3 * row] * x[0] + m[3 * row + 1] * x[1] + m[3 * row + 2] * x[2]);
}
function rotationX(angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  return [1, 0, 0, 0, c, -s, 0, s, c];
}
function rotationY(angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  return [c, 0, s, 0, 1, 0, -s, 0, c];
}
function rotationZ(angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  return [c, -s, 0, s, c, 0, 0, 0, 1];
}
function axisQuaternion(axis, angle) {
  const q = [Math.cos(angle / 2), 0, 0, 0];
  q[1 + axis] = Math.sin(angle / 2);
  return q;
}
function multiplyQuaternions(p, q) {
  return [
    p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3],
    p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
    p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1],
    p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0]
  ];
}
function clamp(x, low, high) {
  return Math.min(Math.max(x, low), high);
}
function radians(degrees) {
  return degrees * Math.PI / 180;
}

// src/weight_shader.js
var WEIGHT_GLSL = `
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
function setWeightUniforms(gl, uniforms, state) {
  gl.uniform1f(uniforms.alpha, state.alpha);
  gl.uniform1i(uniforms.weak, state.b < state.boundary ? 1 : 0);
}

// src/mesh_shaders.js
var SURFACES = { none: 0, weights: 1, normals: 2 };
var MESH_VERTEX = `#version 300 es
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
var MESH_FRAGMENT = `#version 300 es
precision highp float;
uniform float points;
in vec3 color;
out vec4 pixel;

void main() {
  if (points > 0.0 && length(gl_PointCoord - 0.5) > 0.5) discard;
  pixel = vec4(color, 1);
}`;

// src/webgl.js
var ROW = 1024;
function compileProgram(gl, vertex, fragment) {
  const program = gl.createProgram();
  attachShader(gl, program, gl.VERTEX_SHADER, vertex);
  attachShader(gl, program, gl.FRAGMENT_SHADER, fragment);
  gl.linkProgram(program);
  const uniforms = {};
  const count = gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) || 0;
  for (let k = 0; k < count; k++) {
    const { name } = gl.getActiveUniform(program, k);
    uniforms[name.replace("[0]", "")] = gl.getUniformLocation(program, name);
  }
  return { program, uniforms };
}
function attachShader(gl, program, kind, source) {
  const shader = gl.createShader(kind);
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.attachShader(program, shader);
}
function rowsFor(count) {
  return Math.ceil(count / ROW);
}
function padToRows(array, channels, count) {
  const padded = new array.constructor(rowsFor(count) * ROW * channels);
  padded.set(array);
  return padded;
}
var DataTexture = class {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {number} unit number of the texture unit
   * @param {{internal: number, format: number, type: number}} pixels WebGL's constants for one texel
   * @param {number} count Gaussians: texels in use
   * @param {ArrayBufferView | null} data texels in whole rows (see padToRows), or null to leave zeros
   */
  constructor(gl, unit, pixels, count, data = null) {
    this.gl = gl;
    this.unit = unit;
    this.pixels = pixels;
    this.rows = rowsFor(count);
    this.texture = createNearestTexture(gl, unit, gl.TEXTURE_2D);
    gl.texStorage2D(gl.TEXTURE_2D, 1, pixels.internal, ROW, this.rows);
    if (data) this.write(data);
  }
  /** Bind the texture to its unit. */
  bind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, this.texture);
  }
  /** Unbind whatever is on this texture's unit. */
  unbind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D, null);
  }
  /**
   * Bind the texture and replace its texels.
   * @param {ArrayBufferView} data texels in whole rows
   */
  write(data) {
    const { gl, pixels, rows } = this;
    this.bind();
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ROW, rows, pixels.format, pixels.type, data);
  }
};
var LayeredTexture = class {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {number} unit number of the texture unit
   * @param {number} count Gaussians: texels in use in each layer
   * @param {Int8Array[]} layers texels of 4 numbers, in whole rows; one empty layer where there is none
   */
  constructor(gl, unit, count, layers) {
    const rows = rowsFor(count);
    const kind = gl.TEXTURE_2D_ARRAY;
    this.gl = gl;
    this.unit = unit;
    this.texture = createNearestTexture(gl, unit, kind);
    gl.texStorage3D(kind, 1, gl.RGBA8I, ROW, rows, Math.max(layers.length, 1));
    layers.forEach((layer, k) => {
      gl.texSubImage3D(kind, 0, 0, 0, k, ROW, rows, 1, gl.RGBA_INTEGER, gl.BYTE, layer);
    });
  }
  /** Bind the texture to its unit. */
  bind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + this.unit);
    this.gl.bindTexture(this.gl.TEXTURE_2D_ARRAY, this.texture);
  }
};
function createNearestTexture(gl, unit, kind) {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(kind, texture);
  gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return texture;
}

// src/meshes.js
var LANDMARK_COLOR = [213, 94, 0, 255];
var LANDMARKS_ACROSS = 70;
var MIN_LANDMARK = 5;
var PICK_RADIUS = 12;
var Mesh = class {
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
      const away = Math.hypot(fx * p[0] / p[2] + cx - x, fy * p[1] / p[2] + cy - y);
      if (away < closest) {
        closest = away;
        found = `${k}: ${name}`;
      }
    });
    return found;
  }
};
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
function createVertexArray(gl, positions, normals, colors, distances) {
  const vertexArray = gl.createVertexArray();
  gl.bindVertexArray(vertexArray);
  addAttribute(gl, 0, positions, 3, gl.FLOAT);
  addAttribute(gl, 1, normals, 3, gl.FLOAT);
  addAttribute(gl, 2, colors, 4, gl.UNSIGNED_BYTE);
  addAttribute(gl, 3, distances, 1, gl.FLOAT);
  return vertexArray;
}
function addAttribute(gl, location, array, width, type) {
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, width, type, type === gl.UNSIGNED_BYTE, 0, 0);
}

// src/art_shaders.js
var REGION_COUNT = 6;
var PATTERN_NUMBERS = {
  none: 0,
  lines: 1,
  "crossed lines": 2,
  dots: 3,
  grain: 4,
  tiles: 5
};
var ART_VERTEX = `#version 300 es
void main() {
  float x = float((gl_VertexID & 1) * 4) - 1.0, y = float((gl_VertexID & 2) * 2) - 1.0;
  gl_Position = vec4(x, y, 0.0, 1.0);
}`;
var PATTERNS_GLSL = `
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
var INK_GLSL = `
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
var ART_FRAGMENT = `#version 300 es
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

// src/art_pass.js
var PICTURES = ["colours", "normals", "places", "regionsOne", "regionsTwo"];
var FIRST_UNIT = 10;
var EMPTY = [0, 0, 0, 0];
var ArtPass = class _ArtPass {
  /**
   * A pass, where the context can draw to five pictures of floats at once.
   * @param {WebGL2RenderingContext} gl the context
   * @returns {ArtPass | null} null where it cannot
   */
  static create(gl) {
    const floats = gl.getExtension("EXT_color_buffer_float");
    const enough = gl.getParameter(gl.MAX_DRAW_BUFFERS) >= PICTURES.length;
    return floats && enough ? new _ArtPass(gl) : null;
  }
  /** @param {WebGL2RenderingContext} gl a context that can draw to five pictures of floats */
  constructor(gl) {
    this.gl = gl;
    this.program = compileProgram(gl, ART_VERTEX, ART_FRAGMENT);
    this.framebuffer = gl.createFramebuffer();
    this.textures = PICTURES.map(() => gl.createTexture());
    this.width = 0;
  }
  /**
   * Splat here from now on, into empty pictures.
   * @param {number} width pixels
   * @param {number} height pixels
   */
  begin(width, height) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    if (this.width !== width) this.resize(width, height);
    PICTURES.forEach((_, k) => gl.clearBufferfv(gl.COLOR, k, k ? EMPTY : [1, 1, 1, 0]));
  }
  resize(width, height) {
    const { gl } = this;
    this.width = width;
    this.textures.forEach((texture, k) => {
      gl.activeTexture(gl.TEXTURE0 + FIRST_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.HALF_FLOAT, null);
      for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
        gl.texParameteri(gl.TEXTURE_2D, name, gl.LINEAR);
      }
      for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
        gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
      }
      const attachment = gl.COLOR_ATTACHMENT0 + k;
      gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, texture, 0);
    });
    gl.drawBuffers(PICTURES.map((_, k) => gl.COLOR_ATTACHMENT0 + k));
  }
  /**
   * Draw the G-buffer in a style to the canvas.
   * @param {object} style one of the header's styles
   * @param {object[]} own the head's own colours by region, see the header
   * @param {{degree: number, transfer: number}} amounts of structure and of colour, 0 to 1
   * @param {number} pixelWidth canonical decimetres
   * @param {number} width pixels
   * @param {number} height pixels
   */
  finish(style, own, amounts, pixelWidth, width, height) {
    const { gl } = this;
    const { program, uniforms } = this.program;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.BLEND);
    gl.disable(gl.SCISSOR_TEST);
    gl.useProgram(program);
    PICTURES.forEach((name, k) => {
      gl.activeTexture(gl.TEXTURE0 + FIRST_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[k]);
      gl.uniform1i(uniforms[name], FIRST_UNIT + k);
    });
    gl.uniform2f(uniforms.size, width, height);
    gl.uniform1f(uniforms.pixelWidth, pixelWidth);
    this.setStyle(style, own, amounts);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    for (let k = 0; k < PICTURES.length; k++) {
      gl.activeTexture(gl.TEXTURE0 + FIRST_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, null);
    }
  }
  setStyle(style, own, { degree, transfer }) {
    const { gl } = this;
    const { uniforms } = this.program;
    const mixed = regionUniforms(style, own, transfer);
    gl.uniformMatrix3fv(uniforms.matrices, true, mixed.matrices);
    gl.uniform3fv(uniforms.offsets, mixed.offsets);
    gl.uniform3fv(uniforms.means, mixed.means);
    gl.uniform3fv(uniforms.directions, mixed.directions);
    gl.uniform1fv(uniforms.sizes, mixed.sizes);
    for (const name of ["depth", "period", "ink", "inkWidth", "detail"]) {
      gl.uniform1f(uniforms[name], style[name]);
    }
    gl.uniform1f(uniforms.degree, degree);
    gl.uniform1i(uniforms.tones, style.tones);
    gl.uniform1i(uniforms.pattern, PATTERN_NUMBERS[style.pattern]);
    gl.uniform3fv(uniforms.inkColour, style.inkColour);
  }
};
var LUMA = [0.299, 0.587, 0.114];
var RANGE = 3;
function regionUniforms(style, own, transfer) {
  const out = { matrices: [], offsets: [], means: [], directions: [], sizes: [] };
  for (let k = 0; k < REGION_COUNT; k++) {
    const mine = own[k];
    if (!mine) {
      appendRegion(out, identity(0), [0, 0, 0], [0, 0, 0], [0, 0, 0], 0);
      continue;
    }
    const target = style.regions[k] ?? { ...mine, matrix: identity(1) };
    const matrix = blend(identity(1), target.matrix, transfer);
    const mean = blend(mine.mean, target.mean, transfer);
    const covariance = blend(mine.covariance, target.covariance, transfer);
    const moved = multiply2(matrix, mine.mean);
    const offset = mean.map((value, c) => value - moved[c]);
    const change = multiply2(covariance, LUMA);
    const variance = change.reduce((sum, value, c) => sum + value * LUMA[c], 0);
    const direction = change.map((value) => value / variance);
    appendRegion(out, matrix, offset, mean, direction, RANGE * Math.sqrt(variance));
  }
  return out;
}
function appendRegion(out, matrix, offset, mean, direction, size) {
  out.matrices.push(...matrix);
  out.offsets.push(...offset);
  out.means.push(...mean);
  out.directions.push(...direction);
  out.sizes.push(size);
}
function identity(one) {
  return [one, 0, 0, 0, one, 0, 0, 0, one];
}
function blend(a, b, share) {
  return a.map((value, k) => value + share * (b[k] - value));
}
function multiply2(matrix, x) {
  return [0, 3, 6].map((r) => matrix[r] * x[0] + matrix[r + 1] * x[1] + matrix[r + 2] * x[2]);
}

// src/art_surface.js
var UNITS = { restMean: 4, surface: 8, push: 9 };
var REGIONS = 6;
var ZERO = 128;
var ArtSurface = class {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {number} n Gaussians
   * @param {object} art the header's art: styles, and pushStep, decimetres
   * @param {Object<string, ArrayLike<number>>} data the packet's arrays
   */
  constructor(gl, n, art, data) {
    Object.assign(this, { gl, n, art, data });
    const words = { internal: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
    const floats = { internal: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT };
    this.surface = new DataTexture(gl, UNITS.surface, words, n, packSurface(n, data));
    this.push = new DataTexture(gl, UNITS.push, floats, n);
    this.pushed = null;
  }
  /**
   * Bind what the splats' shader reads for a style.
   * @param {string} name the style's
   * @param {Object<string, WebGLUniformLocation>} uniforms the program's uniforms
   * @param {DataTexture} restMeans means of the Gaussians at rest
   */
  bind(name, uniforms, restMeans) {
    for (const [uniform, unit] of Object.entries(UNITS)) this.gl.uniform1i(uniforms[uniform], unit);
    restMeans.bind();
    this.surface.bind();
    if (this.pushed === name) this.push.bind();
    else this.push.write(this.pushes(name));
    this.pushed = name;
  }
  pushes(name) {
    const codes = this.data[`push_${name}`];
    const out = new Float32Array(4 * this.n);
    if (codes) {
      for (let k = 0; k < 3 * this.n; k++) {
        out[4 * Math.floor(k / 3) + k % 3] = codes[k] * this.art.pushStep;
      }
    }
    return padToRows(out, 4, this.n);
  }
};
function packSurface(n, { normals, regions }) {
  const bytes = new Uint8Array(16 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) bytes[16 * i + c] = normals[3 * i + c] + ZERO;
    bytes.set(regions.subarray(REGIONS * i, REGIONS * (i + 1)), 16 * i + 4);
  }
  return padToRows(new Uint32Array(bytes.buffer), 4, n);
}

// src/depth_sort.js
var DIGIT_BITS = 11;
var DIGITS = 1 << DIGIT_BITS;
var NEGLIGIBLE = 1e-3;
var MAX_CODE = 127;
var DepthSort = class {
  /**
   * @param {Float32Array} means (3 N) at rest, canonical decimetres
   * @param {Float32Array} follow (N) how far each Gaussian follows the head
   * @param {Int8Array | undefined} basis changes of means, rows of four (see stkit.viewers.motion_basis)
   * @param {object[]} components the header's components: rows, steps and starts
   * @param {Uint32Array} order receives the sorted indices; may be longer than N
   */
  constructor(means, follow2, basis, components, order) {
    const n = follow2.length;
    Object.assign(this, { n, means, follow: follow2, basis, components, order });
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
    const { n, means, follow: follow2, depth } = this;
    for (let i = 0, p = 0; i < n; i++, p += 3) {
      const x = means[p];
      const y = means[p + 1];
      const z = means[p + 2];
      const f = follow2[i];
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
    for (let i = 0; i < n; i++) counts[keys[i] >> shift & DIGITS - 1]++;
    let sum = 0;
    for (let k = 0; k < DIGITS; k++) {
      const count = counts[k];
      counts[k] = sum;
      sum += count;
    }
    for (let q = 0; q < n; q++) {
      const i = from ? from[q] : n - 1 - q;
      to[counts[keys[i] >> shift & DIGITS - 1]++] = i;
    }
  }
};
function depthRow(camera, rotation, translation) {
  const r = camera.R.slice(6);
  const row = [0, 1, 2].map(
    (c) => r[0] * rotation[c] + r[1] * rotation[3 + c] + r[2] * rotation[6 + c]
  );
  const shift = r[0] * translation[0] + r[1] * translation[1] + r[2] * translation[2] + camera.t[2];
  return [...row, shift];
}

// src/expression_shaders.js
var MAX_COMPONENTS = 32;
var EXPRESSION_VERTEX = `#version 300 es
void main() {
  float x = float((gl_VertexID & 1) * 4) - 1.0, y = float((gl_VertexID & 2) * 2) - 1.0;
  gl_Position = vec4(x, y, 0.0, 1.0);
}`;
var EXPRESSION_FRAGMENT = `#version 300 es
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

// src/expression.js
var UNITS2 = {
  meanAndColor: 0,
  shape: 1,
  order: 2,
  basis: 3,
  meanAndDistance: 4,
  logScalesAndFollow: 5,
  quats: 6,
  rgba: 7
};
var INPUTS = ["meanAndDistance", "logScalesAndFollow", "quats", "rgba"];
var OUTPUTS = ["meanAndColor", "shape"];
var Expression = class {
  /**
   * @param {WebGL2RenderingContext} gl the context
   * @param {object} header the packet's header
   * @param {Object<string, Int8Array>} data the packet's arrays
   * @param {import("./splat_data.js").Look[]} looks Gaussians at rest
   */
  constructor(gl, header, data, looks) {
    const n = header.count;
    this.gl = gl;
    this.header = header;
    this.rows = rowsFor(n);
    this.program = compileProgram(gl, EXPRESSION_VERTEX, EXPRESSION_FRAGMENT);
    this.layerNames = ["means", ...looks.flatMap((_, k) => lookNames(k))];
    const layers = header.components.flatMap(
      (component) => this.layerNames.map((name) => {
        const start2 = component.starts[name];
        const rows = data[`basis_${name}`].subarray(start2, start2 + 4 * component.rows);
        return padToRows(rows, 4, n);
      })
    );
    this.basis = new LayeredTexture(gl, UNITS2.basis, n, layers);
    this.looks = looks.map((look) => createLook(gl, n, look));
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.current = null;
  }
  /**
   * Make the textures show an expression, unless they do already.
   * @param {number[]} coefficients one for each component
   * @returns {boolean} whether they have changed
   */
  update(coefficients) {
    const wanted = coefficients.join();
    if (this.current === wanted) return false;
    this.current = wanted;
    const { gl } = this;
    const { program, uniforms } = this.program;
    gl.useProgram(program);
    gl.disable(gl.BLEND);
    gl.disable(gl.SCISSOR_TEST);
    gl.disable(gl.DEPTH_TEST);
    gl.viewport(0, 0, ROW, this.rows);
    for (const name of [...INPUTS, "basis"]) gl.uniform1i(uniforms[name], UNITS2[name]);
    gl.uniform1i(uniforms.components, this.header.components.length);
    gl.uniform1i(uniforms.layersPerComponent, this.layerNames.length);
    this.basis.bind();
    this.looks.forEach((look, k) => this.updateLook(look, k, coefficients));
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return true;
  }
  updateLook(look, k, coefficients) {
    const { gl } = this;
    const { uniforms } = this.program;
    const names = ["means", ...lookNames(k)];
    const factors = this.header.components.flatMap(
      ({ steps }, c) => names.map((name) => coefficients[c] * steps[name])
    );
    if (factors.length) gl.uniform4fv(uniforms.factors, factors);
    gl.uniform1i(uniforms.look, k);
    for (const output of look.outputs) output.unbind();
    for (const input of look.inputs) input.bind();
    gl.bindFramebuffer(gl.FRAMEBUFFER, look.framebuffer);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }
  /**
   * Write a look's Gaussians at rest anew.
   * @param {number} k number of the look
   * @param {import("./splat_data.js").Look} look its arrays
   */
  rewrite(k, look) {
    this.looks[k].inputs.forEach((input, i) => input.write(look[INPUTS[i]]));
    this.current = null;
  }
  /**
   * The texture of a look's means at rest.
   * @param {number} k number of the look
   * @returns {DataTexture} canonical means; distances to the nearest landmark
   */
  restMeans(k) {
    return this.looks[k].inputs[INPUTS.indexOf("meanAndDistance")];
  }
  /**
   * Bind the textures that the splats' shader reads.
   * @param {number} k number of the look
   */
  bindLook(k) {
    for (const output of this.looks[k].outputs) output.bind();
  }
};
function lookNames(k) {
  return [`log_scales${k}`, `quats${k}`, `rgba${k}`];
}
function createLook(gl, n, look) {
  const floats = { internal: gl.RGBA32F, format: gl.RGBA, type: gl.FLOAT };
  const integers = { internal: gl.RGBA32UI, format: gl.RGBA_INTEGER, type: gl.UNSIGNED_INT };
  const inputs = INPUTS.map((name) => new DataTexture(gl, UNITS2[name], floats, n, look[name]));
  const outputs = OUTPUTS.map((name) => new DataTexture(gl, UNITS2[name], integers, n));
  const framebuffer = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  outputs.forEach(({ texture }, k) => {
    const attachment = gl.COLOR_ATTACHMENT0 + k;
    gl.framebufferTexture2D(gl.FRAMEBUFFER, attachment, gl.TEXTURE_2D, texture, 0);
  });
  gl.drawBuffers([gl.COLOR_ATTACHMENT0, gl.COLOR_ATTACHMENT1]);
  return { inputs, outputs, framebuffer };
}

// src/half_float_target.js
var HalfFloatTarget = class _HalfFloatTarget {
  /**
   * A target, where the context can draw to floats.
   * @param {WebGL2RenderingContext} gl the context
   * @returns {HalfFloatTarget | null} null where it cannot: then the canvas itself is drawn to
   */
  static create(gl) {
    return gl.getExtension("EXT_color_buffer_float") ? new _HalfFloatTarget(gl) : null;
  }
  /** @param {WebGL2RenderingContext} gl a context that can draw to floats */
  constructor(gl) {
    this.gl = gl;
    this.framebuffer = gl.createFramebuffer();
    this.renderbuffer = gl.createRenderbuffer();
    this.width = 0;
  }
  /**
   * Draw here from now on.
   * @param {number} width pixels
   * @param {number} height pixels
   */
  bind(width, height) {
    const { gl, renderbuffer } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    if (this.width === width) return;
    this.width = width;
    gl.bindRenderbuffer(gl.RENDERBUFFER, renderbuffer);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA16F, width, height);
    const attachment = gl.COLOR_ATTACHMENT0;
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, attachment, gl.RENDERBUFFER, renderbuffer);
  }
  /**
   * Copy the picture to the canvas, and draw there again.
   * @param {number} width pixels
   * @param {number} height pixels
   */
  copyToCanvas(width, height) {
    const { gl } = this;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.framebuffer);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    const mask = gl.COLOR_BUFFER_BIT;
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, mask, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
};

// src/motion.js
var FRAME = 32;
function placement(motion, state) {
  const rows = state.live ? state.live.motion : motion;
  const start2 = FRAME * clamp(Math.round(state.frame || 0), 0, rows.length / FRAME - 1);
  const read = (from, count) => Array.from(rows.subarray(start2 + from, start2 + from + count));
  const [yaw, pitch, roll] = (state.pose || [0, 0, 0]).map(radians);
  const turn = multiply(multiply(rotationY(yaw), rotationX(pitch)), rotationZ(roll));
  const turnQ = multiplyQuaternions(
    multiplyQuaternions(axisQuaternion(1, yaw), axisQuaternion(0, pitch)),
    axisQuaternion(2, roll)
  );
  return {
    head: multiply(read(0, 9), turn),
    headT: read(9, 3),
    headQ: multiplyQuaternions(read(12, 4), turnQ),
    chest: read(16, 9),
    chestT: read(25, 3),
    chestQ: read(28, 4)
  };
}
function expressionCoefficients(header, clipCoefficients, state) {
  if (state.live) return state.live.coefficients;
  const { clip, components, sliders } = header;
  const own = clip ? clip.components : 0;
  const frame = clip ? clamp(Math.round(state.frame || 0), 0, clip.frames - 1) : 0;
  const coefficients = new Array(components.length).fill(0);
  for (let k = 0; k < own; k++) coefficients[k] = clipCoefficients[frame * own + k];
  sliders.forEach((slider, k) => {
    coefficients[own + k] = (state.sliders || {})[slider.name] || 0;
  });
  return coefficients;
}

// src/splat_data.js
function dequantize(codes, width, low, step) {
  return Float32Array.from(codes, (code, k) => low[k % width] + code * step[k % width]);
}
function decodeMeans(header, data) {
  return dequantize(data.means, 3, header.meanLow, header.meanStep);
}
function decodeFollow(data) {
  return Float32Array.from(data.follow, (code) => code / 255);
}
function decodeLook(header, data, k, means, follow2) {
  const n = header.count;
  const logScales = dequantize(data[`log_scales${k}`], 3, header.logScaleLow, header.logScaleStep);
  const offset = data[`offset${k}`];
  const meanAndDistance = new Float32Array(4 * n);
  const logScalesAndFollow = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) {
      const moved = offset ? offset[3 * i + c] * header.offsetStep : 0;
      meanAndDistance[4 * i + c] = means[3 * i + c] + moved;
      logScalesAndFollow[4 * i + c] = logScales[3 * i + c];
    }
    meanAndDistance[4 * i + 3] = data.distance[i] * header.distanceStep;
    logScalesAndFollow[4 * i + 3] = follow2[i];
  }
  const quats = Float32Array.from(data[`quats${k}`], (code) => code / 127);
  const rgba = Float32Array.from(data[`rgba${k}`]);
  return {
    meanAndDistance: padToRows(meanAndDistance, 4, n),
    logScalesAndFollow: padToRows(logScalesAndFollow, 4, n),
    quats: padToRows(quats, 4, n),
    rgba: padToRows(rgba, 4, n)
  };
}
function replaceAtRest(look, data) {
  const n = data.rgba.length / 4;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) {
      look.meanAndDistance[4 * i + c] = data.means[3 * i + c];
      look.logScalesAndFollow[4 * i + c] = data.log_scales[3 * i + c];
    }
  }
  look.quats.set(data.quats);
  look.rgba.set(data.rgba);
}

// src/splat_shaders.js
var OVERLAYS = { none: 0, weights: 1, raw: 2 };
var SPLAT_VERTEX = `#version 300 es
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
var SPLAT_FRAGMENT = `#version 300 es
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
function withArt(source) {
  return source.replace("#version 300 es\n", "#version 300 es\n#define ART\n");
}

// src/splats.js
var BLUR = 0.3;
var Splats = class {
  antialias = false;
  // Gaussians have soft edges
  /**
   * @param {object} header the packet's header
   * @param {Object<string, ArrayLike<number>>} data the packet's arrays
   */
  constructor(header, data) {
    const n = header.count;
    const means = decodeMeans(header, data);
    const follow2 = decodeFollow(data);
    this.n = n;
    this.header = header;
    this.data = data;
    this.looks = header.looks.map((_, k) => decodeLook(header, data, k, means, follow2));
    this.order = padToRows(new Uint32Array(n), 1, n);
    this.depthSort = new DepthSort(means, follow2, data.basis_means, header.components, this.order);
    this.milliseconds = 0;
  }
  /**
   * Put everything on the GPU.
   * @param {WebGL2RenderingContext} gl a fresh context
   */
  attach(gl) {
    this.gl = gl;
    this.program = compileProgram(gl, SPLAT_VERTEX, SPLAT_FRAGMENT);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rectangleIndices(this.n), gl.STATIC_DRAW);
    const indices = { internal: gl.R32UI, format: gl.RED_INTEGER, type: gl.UNSIGNED_INT };
    this.orderTexture = new DataTexture(gl, UNITS2.order, indices, this.n);
    this.expression = new Expression(gl, this.header, this.data, this.looks);
    this.target = HalfFloatTarget.create(gl);
    this.art = this.header.art ? ArtPass.create(gl) : null;
    if (this.art) {
      this.artProgram = compileProgram(gl, withArt(SPLAT_VERTEX), withArt(SPLAT_FRAGMENT));
      this.surface = new ArtSurface(gl, this.n, this.header.art, this.data);
    }
    this.depthSort.invalidate();
  }
  /**
   * Show other Gaussians at rest in a look's place; their expression stays.
   * @param {number} k number of the look
   * @param {Object<string, Float32Array | Uint8Array>} data means, log_scales, quats and rgba
   */
  replaceLook(k, data) {
    replaceAtRest(this.looks[k], data);
    if (!this.gl) return;
    this.expression.rewrite(k, this.looks[k]);
    this.depthSort.invalidate();
  }
  /**
   * Draw the Gaussians as a state says.
   * @param {import("./orbit_camera.js").Camera} camera world to camera
   * @param {object} state see scene.js
   * @param {number} width pixels
   * @param {number} height pixels
   */
  draw(camera, state, width, height) {
    const { gl } = this;
    const place = placement(this.data.motion, state);
    this.prepare(camera, place, state);
    gl.viewport(0, 0, width, height);
    gl.disable(gl.SCISSOR_TEST);
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const style = this.art && this.header.art.styles.find(({ name }) => name === state.style);
    if (style) this.drawInStyle(style, camera, place, state, width, height);
    else this.drawPlainly(camera, place, state, width, height);
  }
  drawPlainly(camera, place, state, width, height) {
    const { gl, target } = this;
    if (target) target.bind(width, height);
    const ground = state.overlay === "raw" ? 0 : 1;
    gl.clearColor(ground, ground, ground, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.useProgram(this.program, camera, place, state, width, height);
    this.drawLooks(state, width, height);
    if (target) target.copyToCanvas(width, height);
  }
  drawInStyle(style, camera, place, state, width, height) {
    const { gl, art, header } = this;
    art.begin(width, height);
    this.useProgram(this.artProgram, camera, place, { ...state, overlay: "none" }, width, height);
    this.surface.bind(style.name, this.artProgram.uniforms, this.expression.restMeans(0));
    gl.uniform1f(this.artProgram.uniforms.degree, state.degree);
    this.drawLook(0);
    const amounts = { degree: state.degree, transfer: state.transfer };
    const pixel = headDistance(camera, place) / camera.K[0] / header.scale;
    art.finish(style, header.art.own, amounts, pixel, width, height);
  }
  prepare(camera, place, state) {
    const begun = performance.now();
    const coefficients = expressionCoefficients(this.header, this.data.coefficients, state);
    if (this.expression.update(coefficients)) this.depthSort.invalidate();
    if (this.depthSort.sort(camera, place, coefficients)) this.orderTexture.write(this.order);
    this.milliseconds = performance.now() - begun;
  }
  useProgram(program, camera, place, state, width, height) {
    const { gl, header } = this;
    const { uniforms } = program;
    gl.useProgram(program.program);
    this.orderTexture.bind();
    for (const name of ["meanAndColor", "shape", "order"]) {
      gl.uniform1i(uniforms[name], UNITS2[name]);
    }
    for (const name of ["head", "chest"]) {
      gl.uniformMatrix3fv(uniforms[name], true, place[name]);
      gl.uniform3fv(uniforms[`${name}T`], place[`${name}T`]);
      gl.uniform4fv(uniforms[`${name}Q`], place[`${name}Q`]);
    }
    gl.uniformMatrix3fv(uniforms.view, true, camera.R);
    gl.uniform3fv(uniforms.viewT, camera.t);
    gl.uniform4fv(uniforms.K, camera.K);
    gl.uniform2f(uniforms.size, width, height);
    gl.uniform1f(uniforms.scale, header.scale);
    gl.uniform1f(uniforms.eps, BLUR * Math.max(1, width / header.camera.width) ** 2);
    gl.uniform1i(uniforms.overlay, OVERLAYS[state.overlay] ?? OVERLAYS.none);
    setWeightUniforms(gl, uniforms, state);
  }
  drawLooks(state, width, height) {
    const { gl } = this;
    const wipe = Math.round(clamp(state.wipe, 0, 1) * width);
    const edge = this.looks.length < 2 ? width : wipe;
    gl.enable(gl.SCISSOR_TEST);
    if (edge > 0) {
      gl.scissor(0, 0, edge, height);
      this.drawLook(0);
    }
    if (edge < width) {
      gl.scissor(edge, 0, width - edge, height);
      this.drawLook(1);
    }
    gl.disable(gl.SCISSOR_TEST);
  }
  drawLook(k) {
    const { gl } = this;
    this.expression.bindLook(k);
    gl.drawElements(gl.TRIANGLES, 6 * this.n, gl.UNSIGNED_INT, 0);
  }
};
function headDistance({ R, t }, { headT }) {
  const at = [0, 3, 6].map(
    (r, c) => R[r] * headT[0] + R[r + 1] * headT[1] + R[r + 2] * headT[2] + t[c]
  );
  return Math.hypot(...at);
}
function rectangleIndices(count) {
  const indices = new Uint32Array(6 * count);
  for (let k = 0; k < count; k++) {
    const first = 4 * k;
    indices.set([first, first + 1, first + 2, first + 2, first + 1, first + 3], 6 * k);
  }
  return indices;
}

// src/contexts.js
var MAX_CONTEXTS = 6;
var live = globalThis.stkitLive ??= [];
function makeRoom() {
  while (live.length >= MAX_CONTEXTS) {
    const hidden = live.find((stage) => !stage.visible);
    (hidden || live[0]).sleep();
  }
}
function release(stage) {
  live.splice(live.indexOf(stage), 1);
}

// src/controls.js
var DRAG_ANGLE = 8e-3;
var WHEEL_ZOOM = 1e-3;
var KEY_ANGLE = 0.08;
var KEY_PAN = 8;
var KEY_ZOOM = 0.1;
var RIGHT_BUTTON = 2;
var ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1]
};
function addControls(stage) {
  const { canvas } = stage;
  const controller = new AbortController();
  const on = (name, listener) => canvas.addEventListener(name, listener, { signal: controller.signal, passive: false });
  addPointers(stage, on);
  on("contextmenu", (event) => event.preventDefault());
  on("dblclick", () => stage.reset());
  on("wheel", (event) => {
    if (document.activeElement !== canvas) return;
    event.preventDefault();
    zoom(stage, -event.deltaY * WHEEL_ZOOM);
  });
  on("keydown", (event) => {
    if (!pressKey(stage, event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  return controller;
}
function addPointers(stage, on) {
  const { canvas } = stage;
  const held = /* @__PURE__ */ new Map();
  let apart = 0;
  const lift = (event) => {
    held.delete(event.pointerId);
    apart = 0;
  };
  on("pointerup", lift);
  on("pointercancel", lift);
  on("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, [event.clientX, event.clientY]);
    canvas.focus({ preventScroll: true });
  });
  on("pointermove", (event) => {
    stage.onHover?.(event);
    const last = held.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last[0];
    const dy = event.clientY - last[1];
    held.set(event.pointerId, [event.clientX, event.clientY]);
    if (held.size === 2) {
      const [a, b] = [...held.values()];
      const now = Math.hypot(a[0] - b[0], a[1] - b[1]);
      if (apart) stage.view.zoomBy(Math.log(now / apart));
      apart = now;
      pan(stage, dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons === RIGHT_BUTTON) {
      pan(stage, dx, dy);
    } else {
      orbit(stage, dx * DRAG_ANGLE, dy * DRAG_ANGLE);
    }
  });
}
function pressKey(stage, event) {
  const arrow = ARROWS[event.key];
  if (arrow) {
    const [x, y] = arrow;
    if (event.shiftKey) pan(stage, x * KEY_PAN, y * KEY_PAN);
    else orbit(stage, x * KEY_ANGLE, y * KEY_ANGLE);
    return true;
  }
  switch (event.key) {
    case "+":
      zoom(stage, KEY_ZOOM);
      return true;
    case "-":
      zoom(stage, -KEY_ZOOM);
      return true;
    case "Home":
      stage.reset();
      return true;
    case " ":
      stage.onPlayKey?.();
      return true;
    default:
      return false;
  }
}
function orbit(stage, yaw, pitch) {
  stage.view.orbit(yaw, pitch);
  stage.changed();
}
function pan(stage, dx, dy) {
  stage.view.pan(dx, dy, stage.canvas.clientWidth);
  stage.changed();
}
function zoom(stage, amount) {
  stage.view.zoomBy(amount);
  stage.changed();
}

// src/orbit_camera.js
var MAX_PITCH = 1.4;
var MIN_ZOOM = -1.5;
var MAX_ZOOM = 1.8;
var OrbitCamera = class {
  /**
   * @param {{viewmat: number[], K: number[], width: number}} base the header's camera: viewmat (16) and K (9),
   *   row by row; width in pixels
   * @param {number[]} pivot the point to turn around, world decimetres
   */
  constructor(base, pivot) {
    this.base = base;
    this.pivot = pivot;
    this.distance = 0;
    this.reset();
  }
  /** Back to the header's camera. */
  reset() {
    this.yaw = 0;
    this.pitch = 0;
    this.zoom = 0;
    this.x = 0;
    this.y = 0;
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
    const perPixel = this.distance / this.base.K[0] * this.base.width / width;
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
      height: this.base.height
    };
  }
};

// src/stage.js
var SETTLE = 150;
var RETRY = 100;
var MIN_SIZE = 128;
var MAX_SIZE = 1024;
var FALLBACK_SIZE = 512;
var Stage = class {
  /**
   * @param {HTMLCanvasElement} canvas where to draw
   * @param {object} layer Splats or Mesh: what to draw
   * @param {object} header the packet's header; `size` fixes the canvas's pixels
   * @param {object} state what the controls set, see scene.js
   * @param {() => void} onSettled called when a change of camera or state has settled
   */
  constructor(canvas, layer, header, state, onSettled) {
    Object.assign(this, { canvas, layer, header, state, onSettled });
    this.view = new OrbitCamera(header.camera, header.pivot);
    this.drawn = 0;
    this.gl = null;
    this.onFailure = null;
    this.onPlayKey = null;
    this.onHover = null;
    this.listeners = addControls(this);
    this.observer = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      if (this.visible) this.wake();
      else this.sleep();
    });
    this.observer.observe(canvas);
  }
  /** Get a context and draw. */
  wake() {
    if (this.gl) return;
    makeRoom();
    this.visible = true;
    if (this.hadContext) this.replaceCanvas();
    const gl = this.canvas.getContext("webgl2", {
      antialias: this.layer.antialias,
      alpha: false,
      preserveDrawingBuffer: true
    });
    if (!gl) {
      this.onFailure?.("This browser has no WebGL 2, so the 3D view stays empty.");
      return;
    }
    this.hadContext = true;
    this.gl = gl;
    live.push(this);
    this.recoverFromLoss(gl);
    this.layer.attach(gl);
    this.requestDraw();
  }
  // a canvas whose context was given up never gets another
  replaceCanvas() {
    const fresh = this.canvas.cloneNode();
    this.canvas.replaceWith(fresh);
    this.canvas = fresh;
    this.listeners.abort();
    this.listeners = addControls(this);
    this.observer.disconnect();
    this.observer.observe(fresh);
  }
  recoverFromLoss(gl) {
    const onLost = () => {
      if (this.gl !== gl) return;
      this.sleep();
      if (this.visible) setTimeout(() => this.wake(), RETRY);
    };
    const { signal } = this.listeners;
    this.canvas.addEventListener("webglcontextlost", onLost, { signal });
  }
  /** Give the context up. */
  sleep() {
    if (!this.gl) return;
    release(this);
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.gl = null;
  }
  /** Stop for good. */
  end() {
    clearTimeout(this.settling);
    this.observer.disconnect();
    this.listeners.abort();
    this.sleep();
  }
  /** Draw with the browser's next frame. */
  requestDraw() {
    if (!this.gl || this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }
  /**
   * The camera for the canvas as it is.
   * @returns {import("./orbit_camera.js").Camera} the camera
   */
  camera() {
    return this.view.camera(this.canvas.width);
  }
  /** Draw now. */
  draw() {
    if (!this.gl || this.gl.isContextLost()) return;
    const { canvas, header } = this;
    const shown = (canvas.clientWidth || FALLBACK_SIZE) * Math.min(devicePixelRatio, 2);
    const size = Math.round(header.size || clamp(shown, MIN_SIZE, MAX_SIZE));
    if (canvas.width !== size) {
      canvas.width = size;
      canvas.height = size;
    }
    this.layer.draw(this.camera(), this.state, size, size);
    this.drawn++;
  }
  /** Draw, and report once the change has settled. */
  changed() {
    this.requestDraw();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.onSettled?.(), SETTLE);
  }
  /** Turn the camera back to where it started. */
  reset() {
    this.view.reset();
    this.changed();
  }
};

// src/scene.js
var INITIAL_STATE = {
  frame: 0,
  playing: false,
  wipe: 0.5,
  // the first look is left of this fraction of the picture
  overlay: "none",
  // "weights"; of a mesh "normals"; for tests "raw", the weights as grey on black
  alpha: 5,
  // of Eq. 8, 1 / decimetre
  b: 0.8,
  // strength of the edit
  boundary: 0.5,
  // b from which an edit is strong
  sliders: {},
  // expression: positions by name
  pose: [0, 0, 0],
  // of the head: yaw, pitch, roll in degrees
  style: "",
  // name of an art style, or none
  degree: 0.5,
  // d_s: how far the drawing goes
  transfer: 1
  // how far colours go to the style's
};
var HELP = "Drag to turn, shift-drag to move, click and wheel to zoom, double-click to reset.";
var KEYS = "Arrow keys turn, shift and arrows move, plus and minus zoom, Home resets";
function showScene(model, el, header, data) {
  const state = { ...structuredClone(INITIAL_STATE), ...model.get("state") };
  const layer = header.kind === "splats" ? new Splats(header, data) : new Mesh(header, data);
  const canvas = create("canvas", { tabIndex: 0, role: "img" });
  const play = header.clip ? ", space plays" : "";
  canvas.setAttribute("aria-label", `${header.alt} ${KEYS}${play}.`);
  const stage = new Stage(canvas, layer, header, state, () => {
    model.set("camera", camera());
    model.set("state", { ...state, sliders: { ...state.sliders } });
    model.save_changes();
  });
  const camera = () => stage.view.toHeader(stage.canvas.width);
  const status = create("div", { className: "note", role: "status" });
  stage.onFailure = (text) => {
    status.textContent = text;
  };
  const panel = new ControlPanel(header, state, stage);
  const view = create("div", { className: "view" }, canvas);
  if (header.kind === "mesh" && header.names.length) addLandmarkTip(view, stage);
  el.append(
    create("div", { className: "row" }, view, panel.element),
    create("p", { className: "note", textContent: header.caption || "" }),
    create("p", { className: "note", textContent: HELP }),
    status
  );
  const onState = () => {
    Object.assign(state, model.get("state"));
    panel.follow();
    stage.requestDraw();
  };
  model.on("change:state", onState);
  el.stkit = { stage, layer, state, change: (key, value) => panel.set(key, value), camera };
  return () => {
    panel.end();
    model.off("change:state", onState);
    stage.end();
  };
}
function addLandmarkTip(view, stage) {
  const tip = create("div", { className: "tip", role: "status", hidden: true });
  view.append(tip);
  stage.onHover = (event) => {
    const box = stage.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const scale = stage.canvas.width / box.width;
    const found = stage.layer.pick(stage.camera(), x * scale, y * scale);
    tip.hidden = !found;
    if (!found) return;
    tip.textContent = found;
    tip.style.left = `${x + 12}px`;
    tip.style.top = `${y}px`;
  };
}

// src/studio.js
var EXAMPLE = "turn her into a clown, elf ears";
var ACTIONS = { undo: "Undo", keep: "Keep", stop: "Stop", parameters: "As parameters" };
var POLL = 700;
function addStudio(el, ask) {
  const controls = createControls();
  const { form, line, onTop, buttons, status } = controls;
  const tell = async (message) => {
    for (const button of Object.values(buttons)) button.disabled = true;
    const { answer, bytes } = await ask(message);
    if (answer.look) showLook(el, answer.look, bytes);
    status.textContent = answer.status;
    setButtons(buttons, answer);
    el.dataset.answers = Number(el.dataset.answers || 0) + 1;
    if (answer.busy) setTimeout(() => tell({ kind: "news" }), POLL);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { b, alpha, boundary } = el.stkit.state;
    status.textContent = "…";
    const sentence = line.value;
    tell({ kind: "preview", sentence, b, alpha, boundary, on_top: onTop.checked });
  });
  for (const kind of Object.keys(ACTIONS)) {
    buttons[kind].addEventListener("click", () => tell({ kind }));
  }
  setButtons(buttons, { busy: false, steps: 0 });
  el.prepend(form);
}
function createControls() {
  const line = create("input", { type: "text", placeholder: EXAMPLE, spellcheck: false });
  line.setAttribute("aria-label", "sentence");
  line.addEventListener("keydown", (event) => event.stopPropagation());
  const onTop = create("input", { type: "checkbox" });
  onTop.setAttribute("aria-label", "on top of the last edit");
  const choice = create("label", { className: "choice" }, onTop, "on top of the last edit");
  const status = create("span", { className: "note", role: "status" });
  const buttons = { preview: create("button", { type: "submit", textContent: "Preview" }) };
  for (const [kind, text] of Object.entries(ACTIONS)) {
    buttons[kind] = createButton(text, () => {
    });
  }
  const all = [line, ...Object.values(buttons), choice, status];
  const form = create("form", { className: "studio" }, ...all);
  return { form, line, onTop, buttons, status };
}
function setButtons(buttons, { busy, steps }) {
  buttons.preview.disabled = busy;
  buttons.undo.disabled = busy || !steps;
  buttons.keep.disabled = busy || !steps;
  buttons.stop.disabled = !busy;
  buttons.parameters.disabled = !steps;
}
function showLook(el, arrays, bytes) {
  const { layer, stage } = el.stkit;
  layer.replaceLook(layer.looks.length - 1, unpack({ arrays }, bytes));
  stage.requestDraw();
}

// src/style.js
var STYLE = `
.stkit {
  font: 14px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 860px; padding: 4px;
}
.stkit .studio { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 0 0 8px; }
.stkit .light { color: #d00; font-weight: 600; }
.stkit .studio .choice { display: flex; }
.stkit .studio input[type=text] { flex: 1 1 260px; font: inherit; padding: 4px 8px; }
.stkit .studio .note { flex-basis: 100%; min-height: 1.5em; }
.stkit .row { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: flex-start; }
.stkit .view { position: relative; width: min(512px, 100%); aspect-ratio: 1; }
.stkit canvas {
  width: 100%; height: 100%; display: block; border: 1px solid #ddd; border-radius: 6px;
  touch-action: none; cursor: grab;
}
.stkit canvas:focus-visible, .stkit input:focus-visible, .stkit button:focus-visible,
.stkit select:focus-visible { outline: 3px solid #0072b2; outline-offset: 1px; }
.stkit .panel { flex: 1 1 250px; min-width: 230px; }
.stkit fieldset { border: 1px solid #ddd; border-radius: 6px; margin: 0 0 8px; padding: 4px 10px 8px; }
.stkit legend { font-weight: 600; padding: 0 4px; }
.stkit label { display: grid; grid-template-columns: 7.5em 1fr 3.2em; gap: 6px; align-items: center; }
.stkit output { font-variant-numeric: tabular-nums; text-align: right; }
.stkit input[type=range] { width: 100%; accent-color: #0072b2; }
.stkit button, .stkit select { font: inherit; padding: 2px 10px; }
.stkit .note { color: #555; font-size: 12.5px; margin: 4px 0; }
.stkit .tip {
  position: absolute; pointer-events: none; background: #1b1b1b; color: #fff; padding: 1px 7px;
  border-radius: 4px; font-size: 12.5px;
}
.stkit .wipe { position: relative; max-width: 100%; }
.stkit .wipe img { display: block; width: 100%; }
.stkit .wipe img + img { position: absolute; inset: 0; }
.stkit figure { margin: 0; max-width: 100%; }
.stkit figure img { max-width: 100%; }
`;

// src/viewer.js
var widget = {
  render: ({ model, el }) => {
    const header = model.get("header");
    const end = start(model, el, header, model.get("data"));
    const ask = (message) => askKernel(model, message);
    if (header.studio) addStudio(el, ask);
    if (header.puppet) addPuppet(el, header, ask);
    return end;
  }
};
var viewer_default = widget;
async function mount(el, header, text) {
  const bytes = await decompress(text);
  return start(new PageModel({ state: header.state || {} }), el, header, bytes);
}
async function mountServed(el, header, text, token) {
  await mount(el, header, text);
  const ask = (message) => askServer(message, token);
  if (header.puppet) addPuppet(el, header, ask);
  else addStudio(el, ask);
}
function askKernel(model, message) {
  const id = `${Date.now()}-${Math.random()}`;
  return new Promise((resolve) => {
    const listen = (answer, buffers) => {
      if (answer.id !== id) return;
      model.off("msg:custom", listen);
      resolve({ answer, bytes: buffers[0] });
    };
    model.on("msg:custom", listen);
    model.send({ ...message, id });
  });
}
async function askServer(message, token) {
  const headers = { "X-Token": token };
  const response = await fetch("ask", { method: "POST", headers, body: JSON.stringify(message) });
  if (!response.ok) return { answer: { status: `error: ${response.statusText}`, busy: false } };
  const whole = await response.arrayBuffer();
  const length = new DataView(whole).getUint32(0, true);
  const answer = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)));
  return { answer, bytes: whole.slice(4 + length) };
}
var PageModel = class {
  constructor(values) {
    this.values = values;
  }
  get(name) {
    return this.values[name];
  }
  set(name, value) {
    this.values[name] = value;
  }
  save_changes() {
  }
  on() {
  }
  off() {
  }
};
function start(model, el, header, bytes) {
  el.classList.add("stkit");
  el.append(create("style", { textContent: STYLE }));
  const data = unpack(header, bytes);
  if (header.kind === "compare") return showCompare(el, header, data);
  return showScene(model, el, header, data);
}
export {
  viewer_default as default,
  mount,
  mountServed
};
