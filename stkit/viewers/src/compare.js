/** Pictures before and after, with a wipe between them; several frames can be scrubbed or played. */

import { Slider, create } from "./elements.js";
import { Playback } from "./playback.js";

/**
 * Show a packet of kind "compare". `el.film` then tells the frame shown and whether it plays.
 * @param {HTMLElement} el where to append
 * @param {object} header the packet's header: looks (2 names), beside (names of further pictures), frames
 *   (numbers shown to people), fps (or null), width of a picture in CSS pixels, type of the files
 * @param {Object<string, Uint8Array>} data files before0, after0, beside0_0 and so on
 * @returns {() => void} ends the viewer
 */
export function showCompare(el, header, data) {
  const files = new ImageFiles(data, header.type);
  const pictures = createPictures(header);
  const count = header.frames.length;
  const controls = create("div");
  let frame = 0;
  const show = (k) => {
    frame = k;
    for (const { name, image } of pictures.all) image.src = files.url(`${name}${k}`);
  };
  const wipe = (share) => {
    pictures.after.style.clipPath = `inset(0 0 0 ${100 * share}%)`;
  };
  el.append(
    pictures.row,
    controls,
    create("p", { className: "note", textContent: header.caption || "" }),
  );
  new Slider(controls, "wipe", { low: 0, high: 1, step: 0.01, value: 0.5 }, wipe);
  const playback = new Playback(header.fps, () => {
    show((frame + 1) % count);
    scrubber?.set(frame);
  });
  const format = (k) => String(header.frames[k]);
  const range = { low: 0, high: count - 1, step: 1, value: 0, format };
  const onScrub = (k) => {
    playback.toggle(false);
    show(k);
  };
  const scrubber = count > 1 ? new Slider(controls, "frame", range, onScrub) : null;
  if (header.fps) controls.prepend(playback.button);
  wipe(0.5);
  show(0);
  el.film = {
    get frame() {
      return frame;
    },
    get playing() {
      return playback.playing;
    },
  };
  return () => {
    playback.stop();
    files.revoke();
  };
}

// files inside the packet, with a URL for each that was asked for
class ImageFiles {
  constructor(data, type) {
    this.data = data;
    this.type = type;
    this.urls = new Map();
  }

  url(name) {
    if (!this.urls.has(name)) {
      const blob = new Blob([this.data[name]], { type: this.type });
      this.urls.set(name, URL.createObjectURL(blob));
    }
    return this.urls.get(name);
  }

  revoke() {
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
  }
}

function createPictures(header) {
  const createPicture = (name, label) => ({
    name,
    image: create("img", { alt: `${label}: ${header.alt}` }),
  });
  const row = create("div", { className: "row" });
  const addFigure = (content, caption) => {
    content.style.width = `${header.width}px`;
    const text = create("figcaption", { className: "note", textContent: caption });
    row.append(create("figure", {}, content, text));
  };
  const beside = header.beside.map((label, k) => createPicture(`beside${k}_`, label));
  beside.forEach(({ image }, k) => addFigure(image, header.beside[k]));
  const before = createPicture("before", header.looks[0]);
  const after = createPicture("after", header.looks[1]);
  const box = create("div", { className: "wipe" }, before.image, after.image);
  addFigure(box, `${header.looks[0]} | ${header.looks[1]}`);
  return { row, all: [...beside, before, after], after: after.image };
}
