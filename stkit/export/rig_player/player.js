// The page: a three.js scene with a head, sliders for its actions, and Live Link Face's files.
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { loadRig } from "./rig.js";
import { Splats } from "./splats.js";

const RATE = 60; // frames a second of a file
const AXES = { HeadYaw: [0, 1, 0], HeadPitch: [1, 0, 0], HeadRoll: [0, 0, 1] };

/** Rows of a Live Link Face file: {strengths, turn}. */
export function readLiveLink(text) {
  const [header, ...lines] = text.trim().split(/\r?\n/);
  const names = header.replace(/^\ufeff/, "").split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    const row = Object.fromEntries(names.map((name, k) => [name, Number(cells[k]) || 0]));
    const turn = new THREE.Quaternion();
    for (const [name, axis] of Object.entries(AXES)) {
      const one = new THREE.Quaternion();
      turn.multiply(one.setFromAxisAngle(new THREE.Vector3(...axis), row[name] ?? 0));
    }
    const strengths = Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name[0].toLowerCase() + name.slice(1), value]),
    );
    return { strengths, turn };
  });
}

/** The camera that tracked the head; its principal point is the picture's middle. */
function trackingCamera({ viewmat, K, width, height }) {
  const fov = (2 * Math.atan(height / (2 * K[1][1])) * 180) / Math.PI;
  const camera = new THREE.PerspectiveCamera(fov, width / height, 0.1, 1000);
  const toGl = new THREE.Matrix4().makeScale(1, -1, -1);
  const pose = toGl.multiply(new THREE.Matrix4().set(...viewmat.flat())).invert();
  pose.decompose(camera.position, camera.quaternion, camera.scale);
  return camera;
}

class Player {
  constructor(rig) {
    const { width, height } = rig.camera;
    this.rig = rig;
    this.size = [width, height];
    this.renderer = new THREE.WebGLRenderer({ preserveDrawingBuffer: true });
    this.renderer.setSize(width, height);
    this.renderer.setClearColor(0xffffff);
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace; // colours are shown as they are
    document.getElementById("stage").append(this.renderer.domElement);
    this.camera = trackingCamera(rig.camera);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.target.set(...rig.skeleton.head.translation);
    this.controls.addEventListener("change", () => this.draw());
    this.scene = new THREE.Scene();
    this.splats = new Splats(rig);
    this.scene.add(this.splats);
  }

  /** Show strengths of actions and a turn of the head. */
  show(strengths, turn = new THREE.Quaternion()) {
    this.rig.pose(strengths, turn);
    this.draw();
  }

  draw() {
    this.camera.updateMatrixWorld();
    this.splats.update(this.camera, ...this.size);
    this.renderer.render(this.scene, this.camera);
  }

  play(rows) {
    const start = performance.now();
    const step = (now) => {
      const t = Math.floor(((now - start) / 1000) * RATE);
      if (t >= rows.length) return;
      this.show(rows[t].strengths, rows[t].turn);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

function addSliders(player) {
  const strengths = {};
  for (const action of player.rig.actions) {
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), {
      type: "range",
      min: 0,
      max: 1,
      step: 0.01,
      value: 0,
    });
    slider.addEventListener("input", () => {
      strengths[action] = Number(slider.value);
      player.show(strengths);
    });
    label.append(action, slider);
    document.getElementById("actions").append(label);
  }
}

async function main() {
  const player = new Player(await loadRig("."));
  addSliders(player);
  document.getElementById("sheet").addEventListener("change", async (event) => {
    player.play(readLiveLink(await event.target.files[0].text()));
  });
  player.show({});
  globalThis.player = player; // for the console, and for programs that steer the page
}

main().catch((error) => {
  document.getElementById("problem").textContent = `This page could not start: ${error.message}`;
});
