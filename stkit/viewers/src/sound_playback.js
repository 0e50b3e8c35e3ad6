/** A clip that speaks: its sound is the clock, so that lips and voice keep step. */

import { createButton } from "./elements.js";

/** Plays a sound, and shows the frame that belongs to its moment; used like Playback. */
export class SoundPlayback {
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
      this.audio
        .play()
        .then(() => this.follow())
        .catch(() => this.onToggle(false));
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
}
