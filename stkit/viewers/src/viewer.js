/**
 * The viewers of stkit: Gaussians, meshes and pictures before and after, in WebGL 2 and without dependencies.
 *
 * One module, used twice: by anywidget in a notebook (default export), and inside a page (mount).
 * Conventions are the library's: OpenCV cameras, decimetres, quaternions w, x, y, z, white background.
 */

import { showCompare } from "./compare.js";
import { create } from "./elements.js";
import { decompress, unpack } from "./packet.js";
import { showScene } from "./scene.js";
import { STYLE } from "./style.js";

/** What anywidget asks of a widget's module. */
const widget = {
  render: ({ model, el }) => start(model, el, model.get("header"), model.get("data")),
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
