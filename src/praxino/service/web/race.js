// Two ways to learn the same cloud of points, side by side: a GAN and a diffusion model, each of a few thousand weights, trained here.

import { Net, chance, normal } from "./net.js";

export const BATCH = 128, HIDDEN = 48, DRAWN = 400, STEPS = 24;
export const CLOUDS = {
  ring: { title: "eight on a ring", centres: Array.from({ length: 8 }, (_, i) => [Math.cos(i * Math.PI / 4), Math.sin(i * Math.PI / 4)]), spread: 0.06 },
  grid: { title: "nine on a grid", centres: Array.from({ length: 9 }, (_, i) => [(i % 3) - 1, Math.floor(i / 3) - 1]), spread: 0.06 },
  pair: { title: "a large one and a rare one", centres: [[-0.7, 0], [0.8, 0.5]], shares: [0.9, 0.1], spread: 0.1 },
};
const CLOSE = 4; // spreads within which a point belongs to a centre

// n points of a cloud, x and y one after the other.
export function draw(cloud, n, random) {
  const points = new Float32Array(2 * n);
  for (let k = 0; k < n; k++) {
    const centre = cloud.centres[pick(cloud, random())];
    for (const axis of [0, 1]) points[2 * k + axis] = centre[axis] + cloud.spread * normal(random);
  }
  return points;
}

function pick(cloud, share) {
  if (!cloud.shares) return Math.floor(share * cloud.centres.length);
  let place = 0;
  while (place < cloud.shares.length - 1 && share >= cloud.shares[place]) share -= cloud.shares[place++];
  return place;
}

// How many centres have at least a fifth of their share of the points, and which part of the points is near one.
export function census(cloud, points) {
  const hits = cloud.centres.map(() => 0), n = points.length / 2;
  for (let k = 0; k < n; k++) {
    const far = cloud.centres.map(([x, y]) => Math.hypot(points[2 * k] - x, points[2 * k + 1] - y)), nearest = far.indexOf(Math.min(...far));
    if (far[nearest] < CLOSE * cloud.spread) hits[nearest]++;
  }
  const share = (i) => cloud.shares?.[i] ?? 1 / cloud.centres.length;
  return { hit: hits.filter((count, i) => count >= 0.2 * share(i) * n).length, of: hits.length, near: hits.reduce((a, b) => a + b, 0) / n };
}

// The GAN of 2014 (arXiv 1406.2661), with the loss that does not saturate.
export class Gan {
  constructor(cloud, seed) {
    this.cloud = cloud;
    this.random = chance(seed);
    this.generator = new Net([2, HIDDEN, HIDDEN, 2], this.random);
    this.discriminator = new Net([2, HIDDEN, HIDDEN, 1], this.random);
  }

  noise(n) { return Float32Array.from({ length: 2 * n }, () => normal(this.random)); }

  step() {
    const true_ = draw(this.cloud, BATCH, this.random), made = this.generator.forward(this.noise(BATCH), BATCH);
    const sigmoid = (v) => 1 / (1 + Math.exp(-v));
    this.discriminator.backward(this.discriminator.forward(true_, BATCH).map((v) => (sigmoid(v) - 1) / BATCH));
    this.discriminator.backward(this.discriminator.forward(made, BATCH).map((v) => sigmoid(v) / BATCH));
    this.discriminator.step(1e-3, 0.5);
    const back = this.discriminator.backward(this.discriminator.forward(made, BATCH).map((v) => (sigmoid(v) - 1) / BATCH), true);
    this.generator.backward(back);
    this.generator.step(1e-3, 0.5);
  }

  sample(n) { return this.generator.forward(this.noise(n), n); }
}

// Rectified flow (arXiv 2209.03003): x_t = (1 - t) x0 + t eps, and the network says eps - x0.
export class Diffusion {
  constructor(cloud, seed) {
    this.cloud = cloud;
    this.random = chance(seed);
    this.net = new Net([7, Math.round(1.35 * HIDDEN), Math.round(1.35 * HIDDEN), 2], this.random);
  }

  told(points, times) {
    const n = times.length, rows = new Float32Array(7 * n);
    for (let k = 0; k < n; k++) {
      const t = times[k];
      rows.set([points[2 * k], points[2 * k + 1], t, Math.sin(Math.PI * t), Math.cos(Math.PI * t), Math.sin(3 * Math.PI * t), Math.cos(3 * Math.PI * t)], 7 * k);
    }
    return rows;
  }

  step() {
    const x0 = draw(this.cloud, BATCH, this.random), times = Float32Array.from({ length: BATCH }, () => this.random());
    const eps = Float32Array.from({ length: 2 * BATCH }, () => normal(this.random));
    const noisy = x0.map((v, k) => (1 - times[k >> 1]) * v + times[k >> 1] * eps[k]);
    const out = this.net.forward(this.told(noisy, times), BATCH);
    this.net.backward(out.map((v, k) => 2 * (v - (eps[k] - x0[k])) / (2 * BATCH)));
    this.net.step(2e-3);
  }

  sample(n) {
    let x = Float32Array.from({ length: 2 * n }, () => normal(this.random));
    for (let s = STEPS; s > 0; s--) {
      const out = this.net.forward(this.told(x, new Float32Array(n).fill(s / STEPS)), n);
      x = x.map((v, k) => v - out[k] / STEPS);
    }
    return x;
  }
}

export function weights(way) {
  return Object.values(way).filter((part) => part instanceof Net).flatMap((net) => net.layers).reduce((sum, layer) => sum + layer.w.length + layer.b.length, 0);
}
