/** Browsers keep few WebGL contexts alive, so viewers share them: only those in sight hold one. */

/** Viewers that may hold a context at the same time; browsers begin to drop contexts at about 16. */
const MAX_CONTEXTS = 6;

/** Stages that hold a context, oldest first; one list for all copies of this module on a page. */
export const live = (globalThis.stkitLive ??= []);

/**
 * Make room for one more context: stages out of sight go to sleep first, then the oldest.
 */
export function makeRoom() {
  while (live.length >= MAX_CONTEXTS) {
    const hidden = live.find((stage) => !stage.visible);
    (hidden || live[0]).sleep();
  }
}

/**
 * Take a stage off the list.
 * @param {object} stage a stage that is on it
 */
export function release(stage) {
  live.splice(live.indexOf(stage), 1);
}
