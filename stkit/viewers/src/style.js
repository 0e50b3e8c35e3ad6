/** The viewers' style sheet; its colours can be told apart by colour-blind people. */

/** CSS of everything inside an element of class `stkit`. */
export const STYLE = `
.stkit {
  font: 14px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 860px; padding: 4px;
}
.stkit .studio { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 0 0 8px; }
.stkit .light { color: #d00; font-weight: 600; }
.stkit .studio .choice { display: flex; }
.stkit .studio input[type=text] { flex: 1 1 260px; font: inherit; padding: 4px 8px; }
.stkit .studio .note { flex-basis: 100%; min-height: 1.5em; }
.stkit .row { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: flex-start; }
.stkit .view { position: relative; width: min(512px, 100%); aspect-ratio: 1; }
.stkit canvas {
  width: 100%; height: 100%; display: block; border: 1px solid #ddd; border-radius: 6px;
  touch-action: none; cursor: grab;
}
.stkit canvas:focus-visible, .stkit input:focus-visible, .stkit button:focus-visible,
.stkit select:focus-visible { outline: 3px solid #0072b2; outline-offset: 1px; }
.stkit .panel { flex: 1 1 250px; min-width: 230px; }
.stkit fieldset { border: 1px solid #ddd; border-radius: 6px; margin: 0 0 8px; padding: 4px 10px 8px; }
.stkit legend { font-weight: 600; padding: 0 4px; }
.stkit label { display: grid; grid-template-columns: 7.5em 1fr 3.2em; gap: 6px; align-items: center; }
.stkit output { font-variant-numeric: tabular-nums; text-align: right; }
.stkit input[type=range] { width: 100%; accent-color: #0072b2; }
.stkit button, .stkit select { font: inherit; padding: 2px 10px; }
.stkit .note { color: #555; font-size: 12.5px; margin: 4px 0; }
.stkit .tip {
  position: absolute; pointer-events: none; background: #1b1b1b; color: #fff; padding: 1px 7px;
  border-radius: 4px; font-size: 12.5px;
}
.stkit .wipe { position: relative; max-width: 100%; }
.stkit .wipe img { display: block; width: 100%; }
.stkit .wipe img + img { position: absolute; inset: 0; }
.stkit figure { margin: 0; max-width: 100%; }
.stkit figure img { max-width: 100%; }
`;
