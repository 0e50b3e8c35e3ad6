/** The 3D viewers: Gaussians or a mesh to turn, with controls beside them. */

import { ControlPanel } from "./control_panel.js";
import { create } from "./elements.js";
import { Mesh } from "./meshes.js";
import { Splats } from "./splats.js";
import { Stage } from "./stage.js";

/** What the controls set; Python reads and writes it as `Viewer.state`. */
const INITIAL_STATE = {
  frame: 0,
  playing: false,
  wipe: 0.5, // the first look is left of this fraction of the picture
  overlay: "none", // "weights"; of a mesh "normals"; for tests "raw", the weights as grey on black
  alpha: 5, // of Eq. 8, 1 / decimetre
  b: 0.8, // strength of the edit
  boundary: 0.5, // b from which an edit is strong
  sliders: {}, // expression: positions by name
  pose: [0, 0, 0], // of the head: yaw, pitch, roll in degrees
  style: "", // name of an art style, or none
  degree: 0.5, // d_s: how far the drawing goes
  transfer: 1, // how far colours go to the style's
};
const HELP = "Drag to turn, shift-drag to move, click and wheel to zoom, double-click to reset.";
const KEYS = "Arrow keys turn, shift and arrows move, plus and minus zoom, Home resets";

/**
 * Show a packet of kind "splats" or "mesh". `el.stkit` then holds stage, layer, state, `change(key, value)` and
 * `camera()`, for scripts and tests.
 * @param {object} model anywidget's model, or viewer.js's stand-in: get, set, save_changes, on and off
 * @param {HTMLElement} el where to append
 * @param {object} header the packet's header
 * @param {Object<string, ArrayLike<number>>} data the packet's arrays
 * @returns {() => void} ends the viewer
 */
export function showScene(model, el, header, data) {
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
    status,
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

// the name of the landmark under the pointer, beside it
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
