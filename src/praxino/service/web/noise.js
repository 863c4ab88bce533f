// The forward process on a film of one's own: x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, in pixels from -1 to 1.
// The chain is the linear one of arXiv 2006.11239, section 4: beta from 1e-4 to 0.02 in 1000 steps.

const STEPS = 1000;
const ABAR = new Float64Array(STEPS + 1).fill(1);
for (let t = 1; t <= STEPS; t++) ABAR[t] = ABAR[t - 1] * (1 - (1e-4 + (0.02 - 1e-4) * (t - 1) / (STEPS - 1)));

const GAUSS = new Float32Array(1 << 16); // drawn once: noise that changed at random would hide the picture's part
for (let i = 0; i < GAUSS.length; i += 2) {
  const r = Math.sqrt(-2 * Math.log(1 - Math.random())), a = 2 * Math.PI * Math.random();
  GAUSS[i] = r * Math.cos(a);
  GAUSS[i + 1] = r * Math.sin(a);
}

export const share = (t) => Math.sqrt(ABAR[t]); // how much of the picture is left

// Draws what `source` shows now onto `canvas` after t steps. Without a source, nothing but noise.
export function draw(canvas, source, t, side = 256) {
  if (source) {
    const scale = Math.min(1, side / Math.max(source.videoWidth, source.videoHeight, 1));
    canvas.width = Math.max(1, Math.round(source.videoWidth * scale));
    canvas.height = Math.max(1, Math.round(source.videoHeight * scale));
  }
  const { width, height } = canvas;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (source) context.drawImage(source, 0, 0, width, height);
  const image = source ? context.getImageData(0, 0, width, height) : context.createImageData(width, height);
  const keep = source ? share(t) : 0, add = Math.sqrt(1 - keep * keep);
  let at = (Math.random() * GAUSS.length) | 0;
  for (let i = 0; i < image.data.length; i++) {
    if (i % 4 === 3) { image.data[i] = 255; continue; }
    const x0 = image.data[i] / 127.5 - 1;
    image.data[i] = (keep * x0 + add * GAUSS[at++ & 0xffff] + 1) * 127.5;
  }
  context.putImageData(image, 0, 0);
}
