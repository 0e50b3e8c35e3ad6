/**
 * The viewers of stkit: Gaussians, meshes and pictures before and after, in WebGL 2 and without dependencies.
 *
 * One module, used twice: by anywidget in a notebook (default export), and inside a page (mount).
 * Conventions are the library's: OpenCV cameras, decimetres, quaternions w, x, y, z, white background.
 */

import { showCompare } from "./compare.js";
import { create } from "./elements.js";
import { decompress, unpack } from "./packet.js";
import { addPuppet } from "./puppet.js";
import { showScene } from "./scene.js";
import { addStudio } from "./studio.js";
import { STYLE } from "./style.js";

/** What anywidget asks of a widget's module. */
const widget = {
  render: ({ model, el }) => {
    const header = model.get("header");
    const end = start(model, el, header, model.get("data"));
    const ask = (message) => askKernel(model, message);
    if (header.studio) addStudio(el, ask);
    if (header.puppet) addPuppet(el, header, ask);
    return end;
  },
};

export default widget;

/**
 * Show a packet in a page that has no kernel.
 * @param {HTMLElement} el where to append
 * @param {object} header the packet's header; `state` may set the controls
 * @param {string} text the packet's bytes, gzipped and base64-coded
 * @returns {Promise<() => void>} ends the viewer
 */
export async function mount(el, header, text) {
  const bytes = await decompress(text);
  return start(new PageModel({ state: header.state || {} }), el, header, bytes);
}

/**
 * Show a studio, or a head that a camera moves, in a page whose server answers.
 * @param {HTMLElement} el where to append
 * @param {object} header the packet's header
 * @param {string} text the packet's bytes, gzipped and base64-coded
 * @param {string} token what the server wants to hear
 * @returns {Promise<void>} when it is there
 */
export async function mountServed(el, header, text, token) {
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

// an answer is the length of its JSON, the JSON, then bytes
async function askServer(message, token) {
  const headers = { "X-Token": token };
  const response = await fetch("ask", { method: "POST", headers, body: JSON.stringify(message) });
  if (!response.ok) return { answer: { status: `error: ${response.statusText}`, busy: false } };
  const whole = await response.arrayBuffer();
  const length = new DataView(whole).getUint32(0, true);
  const answer = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)));
  return { answer, bytes: whole.slice(4 + length) };
}

/** Stands in for anywidget's model where no Python listens. */
class PageModel {
  constructor(values) {
    this.values = values;
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.values[name] = value;
  }

  save_changes() {}

  on() {}

  off() {}
}

function start(model, el, header, bytes) {
  el.classList.add("stkit");
  el.append(create("style", { textContent: STYLE }));
  const data = unpack(header, bytes);
  if (header.kind === "compare") return showCompare(el, header, data);
  return showScene(model, el, header, data);
}
