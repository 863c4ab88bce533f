// A small network in plain JavaScript: layers of products with SiLU between them, backwards by hand, Adam (arXiv 1412.6980).
// Legend: n points at a time, sizes of layers [inputs, hidden ..., outputs].

// A repeatable source of numbers from 0 to 1 (mulberry32), so that two networks can begin with the same chance.
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

export class Net {
  constructor(sizes, random) {
    this.layers = sizes.slice(1).map((outputs, i) => {
      const inputs = sizes[i], make = (count) => new Float32Array(count);
      const layer = { inputs, outputs, w: make(inputs * outputs), b: make(outputs), dw: make(inputs * outputs), db: make(outputs) };
      for (let k = 0; k < layer.w.length; k++) layer.w[k] = normal(random) * Math.sqrt(2 / inputs);
      layer.moments = [make(layer.w.length), make(layer.w.length), make(outputs), make(outputs)];
      return layer;
    });
    this.steps = 0;
  }

  // n rows of inputs, one after the other, to n rows of outputs; what is needed to go back is kept.
  forward(x, n) {
    this.n = n;
    this.layers.forEach((layer, place) => {
      layer.x = x;
      const { inputs, outputs, w, b } = layer, z = new Float32Array(n * outputs);
      for (let r = 0; r < n; r++) {
        for (let o = 0; o < outputs; o++) {
          let sum = b[o];
          for (let i = 0, at = o * inputs, from = r * inputs; i < inputs; i++) sum += w[at + i] * x[from + i];
          z[r * outputs + o] = sum;
        }
      }
      layer.z = z;
      x = place === this.layers.length - 1 ? z : z.map((v) => v / (1 + Math.exp(-v)));
    });
    return x;
  }

  // Gradients of outputs to gradients of inputs; those of weights are added up unless `still`.
  backward(grad, still = false) {
    for (let place = this.layers.length - 1; place >= 0; place--) {
      const layer = this.layers[place], { inputs, outputs, w, dw, db, x, z } = layer;
      if (place < this.layers.length - 1) {
        grad = grad.map((g, k) => { const s = 1 / (1 + Math.exp(-z[k])); return g * s * (1 + z[k] * (1 - s)); });
      }
      const back = new Float32Array(this.n * inputs);
      for (let r = 0; r < this.n; r++) {
        for (let o = 0; o < outputs; o++) {
          const g = grad[r * outputs + o], at = o * inputs, from = r * inputs;
          if (!g) continue;
          if (!still) db[o] += g;
          for (let i = 0; i < inputs; i++) {
            back[from + i] += g * w[at + i];
            if (!still) dw[at + i] += g * x[from + i];
          }
        }
      }
      grad = back;
    }
    return grad;
  }

  step(rate, beta1 = 0.9, beta2 = 0.99) {
    const t = ++this.steps, one = 1 - beta1 ** t, two = 1 - beta2 ** t;
    for (const layer of this.layers) {
      [[layer.w, layer.dw, 0], [layer.b, layer.db, 2]].forEach(([weights, grads, at]) => {
        const m = layer.moments[at], v = layer.moments[at + 1];
        for (let k = 0; k < weights.length; k++) {
          m[k] += (1 - beta1) * (grads[k] - m[k]);
          v[k] += (1 - beta2) * (grads[k] ** 2 - v[k]);
          weights[k] -= rate * (m[k] / one) / (Math.sqrt(v[k] / two) + 1e-8);
          grads[k] = 0;
        }
      });
    }
  }
}
