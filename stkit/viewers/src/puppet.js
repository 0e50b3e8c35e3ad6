/** A camera moves the head: pictures go to Python, expression and place come back. */

import { create, createButton } from "./elements.js";

const WIDTH = 320; // pixels of the pictures that are sent
const QUALITY = 0.8; // of the JPEGs
const HIDDEN = 200; // milliseconds between two looks while the page is not in sight

/**
 * Add the camera's controls to a viewer.
 * @param {HTMLElement} el the viewer's element, see showScene
 * @param {object} header the packet's header; `puppet` is "stream" where no camera is needed
 * @param {import("./studio.js").Ask} ask who answers
 */
export function addPuppet(el, header, ask) {
  const camera = header.puppet === "stream" ? new Stream() : new Camera();
  const off = `The ${camera.name} is off.`;
  const light = create("span", {
    className: "light",
    textContent: `● ${camera.name} on`,
    hidden: true,
  });
  const status = create("span", { className: "note", role: "status", textContent: off });
  const show = ({ coefficients, motion, status: words }) => {
    status.textContent = words;
    if (!motion) return;
    const { state, stage } = el.stkit;
    state.live = { coefficients, motion: Float32Array.from(motion) };
    stage.draw();
    el.dataset.followed = Number(el.dataset.followed || 0) + 1; // for tests
  };
  const start = createButton(`Start the ${camera.name}`, async () => {
    start.disabled = true;
    try {
      await camera.start();
    } catch (error) {
      status.textContent = `No camera: ${error.message}`;
      start.disabled = false;
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
    start.disabled = false;
    status.textContent = off;
  });
  stop.disabled = true;
  el.prepend(create("div", { className: "studio" }, start, stop, light, status));
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

/** Stands in for a camera where Python listens to another device. */
class Stream {
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
}

/** The browser's camera, and its pictures as JPEGs. */
class Camera {
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
    canvas.height = Math.round((WIDTH * video.videoHeight) / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", QUALITY).split(",")[1];
  }
}
