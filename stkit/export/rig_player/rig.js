// A head's rig: reads rig.json and rig.bin.gz, and says where every Gaussian is for strengths of
// ARKit's actions and a turn of the head.
import { Matrix3, Matrix4, Quaternion, Vector3 } from "three";

const TYPES = { f4: Float32Array, u4: Uint32Array, i2: Int16Array };

/** The 32-bit numbers of 16-bit floats. */
function fromHalf(codes) {
  return Float32Array.from(codes, (code) => {
    const sign = code & 0x8000 ? -1 : 1;
    const exponent = (code >> 10) & 31;
    const fraction = code & 1023;
    if (exponent === 0) return sign * 2 ** -14 * (fraction / 1024);
    return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
  });
}

function arrayOf(buffer, entry) {
  const count = entry.shape.reduce((a, b) => a * b, 1);
  if (entry.type === "f2") return fromHalf(new Uint16Array(buffer, entry.offset, count));
  return new TYPES[entry.type](buffer, entry.offset, count);
}

async function unpacked(address) {
  const answer = await fetch(address);
  const stream = answer.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** The rig in a folder. Throws an Error where the file is of another kind. */
export async function loadRig(folder) {
  const description = await (await fetch(`${folder}/rig.json`)).json();
  if (description.schema !== "stkit-rig" || !description.version.startsWith("1.")) {
    throw new Error("rig.json is not a rig that this page can read");
  }
  const buffer = await unpacked(`${folder}/${description.data.file}`);
  return new Rig(description, buffer);
}

class Rig {
  constructor(description, buffer) {
    this.count = description.count;
    this.actions = description.actions;
    this.camera = description.camera;
    this.skeleton = description.skeleton;
    this.rest = Object.fromEntries(
      Object.entries(description.rest).map(([name, entry]) => [name, arrayOf(buffer, entry)]),
    );
    this.changes = description.changes.map((entry) => ({
      ...entry,
      rows: arrayOf(buffer, entry.rows),
      codes: arrayOf(buffer, entry.codes),
    }));
    this.centres = new Float32Array(3 * this.count);
    this.covariances = new Float32Array(6 * this.count);
    this.colors = new Float32Array(4 * this.count);
  }

  /** Attributes at rest, with every action's change added as often as its strength says. */
  canonical(strengths) {
    const now = Object.fromEntries(
      Object.entries(this.rest).map(([name, values]) => [name, values.slice()]),
    );
    for (const { action, attribute, step, rows, codes } of this.changes) {
      const factor = step * (strengths[action] ?? 0);
      if (factor === 0) continue;
      const values = now[attribute];
      const width = codes.length / rows.length;
      for (let k = 0; k < codes.length; k++) {
        values[rows[Math.floor(k / width)] * width + (k % width)] += factor * codes[k];
      }
    }
    return now;
  }

  /** Fill centres, covariances and colours for strengths and a turn of the head (Quaternion). */
  pose(strengths, turn) {
    const now = this.canonical(strengths);
    const head = this.bone("head", turn);
    const chest = this.bone("chest", new Quaternion());
    for (let n = 0; n < this.count; n++) {
      this.place(n, now, head, chest);
      const opacity = Math.min(Math.max(now.opacities[n], 0), 1);
      this.colors.set(now.colors.subarray(3 * n, 3 * n + 3), 4 * n);
      this.colors[4 * n + 3] = opacity;
    }
  }

  bone(name, turn) {
    const { rotation, translation } = this.skeleton[name];
    const [w, x, y, z] = rotation;
    const turned = turn.clone().multiply(new Quaternion(x, y, z, w));
    return { rotation: turned, translation: new Vector3(...translation) };
  }

  /** One Gaussian: its centre is blended between the bones, and so is its rotation. */
  place(n, now, head, chest) {
    const follow = now.follow[n];
    const local = new Vector3().fromArray(now.means, 3 * n).multiplyScalar(this.skeleton.scale);
    const byHead = local.clone().applyQuaternion(head.rotation).add(head.translation);
    const byChest = local.applyQuaternion(chest.rotation).add(chest.translation);
    byChest.lerp(byHead, follow).toArray(this.centres, 3 * n);
    const mixed = (key) => follow * head.rotation[key] + (1 - follow) * chest.rotation[key];
    const turn = new Quaternion(mixed("x"), mixed("y"), mixed("z"), mixed("w")).normalize();
    const [w, x, y, z] = now.quats.subarray(4 * n, 4 * n + 4);
    turn.multiply(new Quaternion(x, y, z, w).normalize());
    const lengths = now.log_scales.subarray(3 * n, 3 * n + 3);
    this.covariance(n, turn, lengths);
  }

  /** The covariance: R diag(scale^2) R^T, of which six numbers are kept. */
  covariance(n, turn, lengths) {
    const size = Array.from(lengths, (x) => this.skeleton.scale * Math.exp(x));
    const axes = new Matrix3().setFromMatrix4(new Matrix4().makeRotationFromQuaternion(turn));
    const a = axes.elements;
    const cell = (i, j) =>
      [0, 1, 2].reduce((sum, k) => sum + a[3 * k + i] * a[3 * k + j] * size[k] ** 2, 0);
    const six = [cell(0, 0), cell(0, 1), cell(0, 2), cell(1, 1), cell(1, 2), cell(2, 2)];
    this.covariances.set(six, 6 * n);
  }
}
