/** The studio's line and buttons over a 3D view: what a person asks for, and what is answered. */

import { create, createButton } from "./elements.js";
import { unpack } from "./packet.js";

const EXAMPLE = "turn her into a clown, elf ears";
const ACTIONS = { undo: "Undo", keep: "Keep", stop: "Stop", parameters: "As parameters" };
const POLL = 700; // milliseconds between two questions for news of an optimisation

/**
 * What answers a message.
 * @callback Ask
 * @param {object} message `kind` (preview, undo, keep, stop, news or parameters) and its values
 * @returns {Promise<{answer: object, bytes: ArrayBuffer | DataView}>} `answer.status` in words, and the
 *   bytes of a look where `answer.look` has its arrays
 */

/**
 * Add the studio's controls to a viewer.
 * @param {HTMLElement} el the viewer's element, see showScene
 * @param {Ask} ask who answers
 */
export function addStudio(el, ask) {
  const controls = createControls();
  const { form, line, onTop, buttons, status } = controls;
  const tell = async (message) => {
    for (const button of Object.values(buttons)) button.disabled = true;
    const { answer, bytes } = await ask(message);
    if (answer.look) showLook(el, answer.look, bytes);
    status.textContent = answer.status;
    setButtons(buttons, answer);
    el.dataset.answers = Number(el.dataset.answers || 0) + 1; // for tests
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
    buttons[kind] = createButton(text, () => {});
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
