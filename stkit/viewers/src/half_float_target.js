/**
 * A picture of 16-bit floats to blend in: hundreds of layers, each rounded to 8 bits, would add up to an error
 * of some per cent.
 */
export class HalfFloatTarget {
  /**
   * A target, where the context can draw to floats.
   * @param {WebGL2RenderingContext} gl the context
   * @returns {HalfFloatTarget | null} null where it cannot: then the canvas itself is drawn to
   */
  static create(gl) {
    return gl.getExtension("EXT_color_buffer_float") ? new HalfFloatTarget(gl) : null;
  }

  /** @param {WebGL2RenderingContext} gl a context that can draw to floats */
  constructor(gl) {
    this.gl = gl;
    this.framebuffer = gl.createFramebuffer();
    this.renderbuffer = gl.createRenderbuffer();
    this.width = 0;
  }

  /**
   * Draw here from now on.
   * @param {number} width pixels
   * @param {number} height pixels
   */
  bind(width, height) {
    const { gl, renderbuffer } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    if (this.width === width) return;
    this.width = width;
    gl.bindRenderbuffer(gl.RENDERBUFFER, renderbuffer);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA16F, width, height);
    const attachment = gl.COLOR_ATTACHMENT0;
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, attachment, gl.RENDERBUFFER, renderbuffer);
  }

  /**
   * Copy the picture to the canvas, and draw there again.
   * @param {number} width pixels
   * @param {number} height pixels
   */
  copyToCanvas(width, height) {
    const { gl } = this;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.framebuffer);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    const mask = gl.COLOR_BUFFER_BIT;
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, mask, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
}
