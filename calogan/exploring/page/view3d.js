// The shower in space: each lit cell a block, larger and stronger in colour the more energy it has.
import { Geometry } from "./geometry.js";

const SMALLEST = 0.28; // length of the faintest block, in units of its cell
const TURN = 0.22; // rad a second
const FLOATS = 9; // a corner's place, normal and colour

const VERTEX = `#version 300 es
uniform mat3 rotation;
uniform vec3 centre;
uniform float size;
uniform vec2 zoom;
in vec3 position;
in vec3 normal;
in vec3 colour;
out vec3 shade;
void main() {
  vec3 p = rotation * ((position - centre) / size);
  float light = normal == vec3(0.0) ? 1.0 : 0.72 + 0.28 * dot(rotation * normal, normalize(vec3(-0.4, 0.7, 0.6)));
  shade = colour * light;
  gl_Position = vec4(p.xy * zoom, 0.275 - p.z / 1.1, 1.0 - 0.25 * p.z);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 shade;
out vec4 found;
void main() { found = vec4(shade, 1.0); }`;

export class View3d {
  // Raises an error where there is no WebGL.
  constructor(canvas, geometry, { turning }) {
    this.canvas = canvas;
    this.geometry = geometry;
    this.turning = turning;
    this.yaw = -0.55;
    this.pitch = 0.35;
    this.zoom = 1.05;
    this.gl = canvas.getContext("webgl2", { antialias: true });
    if (!this.gl) throw new Error("this browser has no WebGL 2");
    this.prepare();
    this.listen();
  }

  prepare() {
    const { gl, geometry } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error(`WebGL: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    this.place = Object.fromEntries(
      ["rotation", "centre", "size", "zoom"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    const front = Math.min(...geometry.layers.map(({ z }) => z[0]));
    const back = Math.max(...geometry.layers.map(({ z }) => z[1]));
    this.ends = [front, back];
    gl.uniform3f(this.place.centre, 0, 0, (front + back) / 2);
    const reach = ({ cylindrical, halfWidth }) => halfWidth * (cylindrical ? 1 : Math.SQRT2);
    const width = Math.max(...geometry.layers.map(reach));
    gl.uniform1f(this.place.size, Math.hypot(width, (back - front) / 2));
    this.buffers = { blocks: gl.createBuffer(), lines: gl.createBuffer() };
    this.counts = { blocks: 0, lines: 0 };
    ["position", "normal", "colour"].forEach((name, i) => {
      const at = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(at);
      this[name] = { at, offset: 12 * i };
    });
  }

  // Dragging turns, pinching or control and the wheel zoom; so do arrows, + and - in the canvas.
  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.turning = false;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.turn(event.movementX * 0.008, event.movementY * 0.008);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.magnify(Math.exp(-0.01 * event.deltaY));
    });
    const steps = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] };
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (steps[event.key]) this.turn(...steps[event.key]);
      else if (event.key === "+" || event.key === "=") this.magnify(1.15);
      else if (event.key === "-") this.magnify(1 / 1.15);
      else return;
      this.turning = false;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.min(Math.max(this.pitch + pitch, -1.5), 1.5);
    this.stale = true;
  }

  magnify(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), 8);
    this.stale = true;
  }

  // Takes energies of all cells, MeV, and colours: a scale, and red, green, blue of lines.
  show(energies, scale, lines) {
    this.fill("blocks", blocks(this.geometry, energies, scale));
    this.fill("lines", frame(this.geometry, this.ends, lines));
    this.stale = true;
  }

  fill(what, corners) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[what]);
    gl.bufferData(gl.ARRAY_BUFFER, corners, gl.DYNAMIC_DRAW);
    this.counts[what] = corners.length / FLOATS;
  }

  // Draws if anything changed, `seconds` after the last call.
  draw(seconds) {
    if (this.turning) this.turn(TURN * Math.min(seconds, 0.1), 0);
    const { gl, canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { width, height } = canvas.getBoundingClientRect();
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (!w || !h || (!this.stale && canvas.width === w && canvas.height === h)) return;
    this.stale = false;
    canvas.width = w;
    canvas.height = h;
    gl.viewport(0, 0, w, h);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const fit = this.zoom / Math.min(1, w / h);
    gl.uniform2f(this.place.zoom, (fit * h) / w, fit);
    gl.uniformMatrix3fv(this.place.rotation, false, rotation(this.yaw, this.pitch));
    for (const [what, mode] of [["blocks", gl.TRIANGLES], ["lines", gl.LINES]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[what]);
      for (const { at, offset } of [this.position, this.normal, this.colour]) {
        gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 4 * FLOATS, offset);
      }
      gl.drawArrays(mode, 0, this.counts[what]);
    }
  }
}

// Column by column. At angles of 0 depth runs to the right and y upwards.
function rotation(yaw, pitch) {
  const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
  const [d, t] = [Math.cos(pitch), Math.sin(pitch)];
  return [-s, t * c, -d * c, 0, d, t, c, t * s, -d * s];
}

// Numbers of corners, end to end, that grow as they come.
class Corners {
  constructor() {
    this.numbers = new Float32Array(1 << 14);
    this.size = 0;
  }

  add(place, normal, colour) {
    if (this.size + FLOATS > this.numbers.length) {
      const larger = new Float32Array(2 * this.numbers.length);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    this.numbers.set(place, this.size);
    this.numbers.set(normal, this.size + 3);
    this.numbers.set(colour, this.size + 6);
    this.size += FLOATS;
  }

  get all() {
    return this.numbers.subarray(0, this.size);
  }
}

function blocks(geometry, energies, scale) {
  const out = new Corners();
  for (const layer of geometry.layers) {
    for (let cell = 0; cell < layer.nCells; ++cell) {
      const energy = energies[layer.first + cell];
      if (!(energy > scale.low * 0.999)) continue;
      const part = scale.part(energy);
      const colour = scale.at(part).map((value) => value / 255);
      const length = SMALLEST + (0.94 - SMALLEST) * part;
      for (const corners of Geometry.outlines(layer, cell)) prism(out, corners, layer.z, length, colour);
    }
  }
  return out.all;
}

// A block over an outline, from z[0] to z[1], shortened about its middle.
function prism(out, corners, z, length, colour) {
  const n = corners.length;
  const middle = [0, 1].map((k) => corners.reduce((sum, corner) => sum + corner[k], 0) / n);
  const flat = corners.map((corner) => corner.map((value, k) => middle[k] + length * (value - middle[k])));
  const depth = (z[0] + z[1]) / 2;
  const [low, high] = z.map((value) => depth + length * (value - depth));
  const at = (i, height) => [...flat[i % n], height];
  for (let i = 0; i < n; ++i) quad(out, at(i, low), at(i + 1, low), at(i + 1, high), at(i, high), colour);
  // A sector of a disc is a fan, of a ring a strip between its two arcs.
  const pieces = n % 2 ? n - 2 : n / 2 - 1;
  for (let i = 0; i < pieces; ++i) {
    const others = n % 2 ? [n - 1, n - 1] : [n - 2 - i, n - 1 - i];
    const ends = [i, i + 1, ...others];
    quad(out, ...ends.map((k) => at(k, high)), colour);
    quad(out, ...ends.map((k) => at(k, low)).reverse(), colour);
  }
}

function quad(out, a, b, c, d, colour) {
  const [u, v] = [b, c].map((end) => end.map((value, k) => value - a[k]));
  const cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const size = Math.hypot(...cross) || 1;
  const normal = cross.map((value) => value / size);
  for (const corner of [a, b, c, a, c, d]) out.add(corner, normal, colour);
}

// The calorimeter's outline, where its layers part if they are few, and the axis.
function frame(geometry, [front, back], colour) {
  const out = new Corners();
  const line = (...ends) => ends.forEach((end) => out.add(end, [0, 0, 0], colour));
  const { layers, halfWidth } = geometry;
  const outline = layers[0].cylindrical
    ? Array.from({ length: 48 }, (_, i) => [Math.cos((i * Math.PI) / 24), Math.sin((i * Math.PI) / 24)])
    : [[-1, -1], [1, -1], [1, 1], [-1, 1]];
  const corners = outline.map((corner) => corner.map((value) => value * halfWidth));
  const few = layers.length <= 8;
  const depths = new Set(few ? layers.flatMap(({ z }) => z) : [front, back]);
  corners.forEach((corner, i) => {
    for (const z of depths) line([...corner, z], [...corners[(i + 1) % corners.length], z]);
    if (i % Math.ceil(corners.length / 8) === 0) line([...corner, front], [...corner, back]);
  });
  const reach = 0.14 * (back - front);
  const head = 0.05 * halfWidth;
  line([0, 0, front - reach], [0, 0, back]);
  for (const side of [-1, 1]) {
    line([0, 0, front], [side * head, 0, front - 2 * head]);
    line([0, 0, front], [0, side * head, front - 2 * head]);
  }
  return out.all;
}
