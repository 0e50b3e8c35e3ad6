/** A clock that shows one frame after another, and the button that starts and stops it. */

import { createButton } from "./elements.js";

/** Plays while it is on. */
export class Playback {
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
    if (on) this.timer = setInterval(this.onFrame, 1000 / this.fps);
    this.button.textContent = on ? "Pause" : "Play";
  }

  /** Stop the clock and leave the button as it is. */
  stop() {
    clearInterval(this.timer);
    this.timer = 0;
  }
}
