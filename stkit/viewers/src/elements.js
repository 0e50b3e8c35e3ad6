/** Elements of a page: plain ones, labelled sliders and menus. */

/**
 * Create an element.
 * @param {string} tag its name
 * @param {Object<string, unknown>} properties properties where the element has them, attributes otherwise
 * @param {...(Node | string)} children what it contains
 * @returns {HTMLElement} the element
 */
export function create(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * A button.
 * @param {string} text what it says
 * @param {() => void} onClick what it does
 * @returns {HTMLElement} the button
 */
export function createButton(text, onClick) {
  const button = create("button", { type: "button", textContent: text });
  button.addEventListener("click", onClick);
  return button;
}

/**
 * A slider's range and start.
 * @typedef {object} Range
 * @property {number} low lowest value
 * @property {number} high highest value
 * @property {number} step between values
 * @property {number} value start
 * @property {(value: number) => string} [format] how the value is written; default: two digits
 */

/** A labelled slider with its value written beside it. */
export class Slider {
  /**
   * @param {HTMLElement} parent where it is appended
   * @param {string} name its label
   * @param {Range} range its values
   * @param {(value: number) => void} onInput called with a value that a person has set
   */
  constructor(parent, name, range, onInput) {
    const { low, high, step, value } = range;
    this.format = range.format ?? ((v) => v.toFixed(2));
    this.output = create("output", { textContent: this.format(value) });
    this.input = create("input", { type: "range", min: low, max: high, step, value });
    this.input.setAttribute("aria-label", name);
    this.input.addEventListener("input", () => {
      this.output.textContent = this.format(Number(this.input.value));
      onInput(Number(this.input.value));
    });
    this.input.addEventListener("keydown", (event) => event.stopPropagation());
    const label = create("span", { textContent: name });
    parent.append(create("label", {}, label, this.input, this.output));
  }

  /**
   * Show a value without calling `onInput`.
   * @param {number} value the value
   */
  set(value) {
    this.input.value = value;
    this.output.textContent = this.format(Number(value));
  }
}

/**
 * Append a labelled menu.
 * @param {HTMLElement} parent where it is appended
 * @param {string} name its label
 * @param {[string, string][]} options values and their texts
 * @param {string} value the value to start with
 * @param {(value: string) => void} onChange called with a value that a person has chosen
 * @returns {HTMLSelectElement} the menu
 */
export function appendMenu(parent, name, options, value, onChange) {
  const menu = create("select", { "aria-label": name });
  for (const [option, text] of options) {
    menu.append(create("option", { value: option, textContent: text, selected: option === value }));
  }
  menu.addEventListener("change", () => onChange(menu.value));
  parent.append(create("label", {}, create("span", { textContent: name }), menu));
  return menu;
}
