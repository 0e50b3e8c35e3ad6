/** Pointers, wheel and keyboard on a stage's canvas. */

const DRAG_ANGLE = 0.008; // radians a CSS pixel
const WHEEL_ZOOM = 0.001; // a unit of deltaY
const KEY_ANGLE = 0.08; // radians a key press
const KEY_PAN = 8; // CSS pixels a key press
const KEY_ZOOM = 0.1;
const RIGHT_BUTTON = 2;
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/**
 * Let a person turn, move and zoom. Drag turns, shift-drag or the right button moves, two fingers move and
 * zoom, the wheel zooms once the canvas has the focus, a double click resets.
 * @param {import("./stage.js").Stage} stage the stage; its present canvas is listened to
 * @returns {AbortController} removes all listeners when it is aborted
 */
export function addControls(stage) {
  const { canvas } = stage;
  const controller = new AbortController();
  const on = (name, listener) =>
    canvas.addEventListener(name, listener, { signal: controller.signal, passive: false });
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
  const held = new Map(); // pointers that are down: id to [x, y]
  let apart = 0; // distance of two fingers at their last move, CSS pixels
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

// whether the key means something here
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
