/** The controls beside a 3D view: what they are called, what they set, how they follow the state. */

import { Slider, appendMenu, create, createButton } from "./elements.js";
import { Playback } from "./playback.js";
import { SoundPlayback } from "./sound_playback.js";

const MAX_POSE = 35; // degrees
const wholeNumber = (value) => value.toFixed(0);
const oneDigit = (value) => value.toFixed(1);
const EDIT_STRONG = "b ≥ boundary: a strong edit, weighs w";
const EDIT_WEAK = "b < boundary: a weak edit, weighs 1 − w";
const SPLAT_OVERLAYS = [
  ["none", "the head"],
  ["weights", "w over it"],
];
const MESH_OVERLAYS = [
  ["none", "colours"],
  ["weights", "weights"],
  ["normals", "normals"],
];

/** Builds the controls that a packet's header asks for. */
export class ControlPanel {
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
    this.followers = []; // each control's way to take over a state that was set from elsewhere
    this.resettable = []; // sliders that Reset moves to 0
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
    const playback = clip.sound
      ? new SoundPlayback(clip, show)
      : new Playback(clip.fps, () => show((state.frame + 1) % clip.frames));
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
    const menu = appendMenu(group, "style", [["", "none"], ...names], state.style, (name) =>
      this.set("style", name),
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
          state.pose.map((other, i) => (i === k ? degrees : other)),
        );
      });
      this.resettable.push(slider);
      this.followers.push(() => slider.set(state.pose[k]));
    });
  }

  addWeights(overlays) {
    const { state } = this;
    const group = this.group("Weights (Eq. 8)");
    const overlay = appendMenu(group, "show", overlays, state.overlay, (value) =>
      this.set("overlay", value),
    );
    const note = create("div", { className: "note" });
    const explain = () => {
      note.textContent = state.b >= state.boundary ? EDIT_STRONG : EDIT_WEAK;
    };
    const add = (label, key, range) =>
      new Slider(group, label, { ...range, value: state[key] }, (value) => {
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
}
