/** A canvas that draws one layer while it is in sight. */

import { live, makeRoom, release } from "./contexts.js";
import { addControls } from "./controls.js";
import { clamp } from "./math.js";
import { OrbitCamera } from "./orbit_camera.js";

const SETTLE = 150; // milliseconds without a change after which the state is reported
const RETRY = 100; // milliseconds until a lost context is asked for again
const MIN_SIZE = 128; // pixels of the canvas
const MAX_SIZE = 1024;
const FALLBACK_SIZE = 512; // CSS pixels, while the page has not been laid out

/** Owns the canvas and its context; wakes and sleeps with the canvas's visibility. */
export class Stage {
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
    this.drawn = 0; // pictures so far
    this.gl = null;
    this.onFailure = null; // (text) => void: the browser cannot draw
    this.onPlayKey = null; // () => void: the space bar
    this.onHover = null; // (PointerEvent) => void
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
      preserveDrawingBuffer: true,
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
}
