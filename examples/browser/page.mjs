// Draw a digit; the module says what it is, and the same hash comes out in every browser.
const SIDE = 28;
const canvas = document.querySelector("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const worker = new Worker("worker.js", { type: "module" });
let lastId = 0;

worker.onmessage = ({ data }) => {
  if (data.kind === "loaded") {
    show("#module", data.moduleId);
    ask();
  } else if (data.kind === "answer") {
    if (data.id === lastId) showAnswer(data);
  } else {
    show("#status", `${data.code}: ${data.message}`);
  }
};

const bytes = await fetch("digits.aivm").then((response) => response.arrayBuffer());
worker.postMessage({ module: new Uint8Array(bytes) });

clear();
document.querySelector("#clear").onclick = () => {
  clear();
  ask();
};
canvas.onpointerdown = (event) => {
  canvas.setPointerCapture(event.pointerId);
  context.beginPath();
  canvas.onpointermove = stroke;
  stroke(event);
};
canvas.onpointerup = () => {
  canvas.onpointermove = null;
};

/** For whoever drives the page: the pixels of a picture, 0 (paper) to 1 (ink). */
globalThis.askFor = (pixels) => {
  lastId++;
  worker.postMessage({ id: lastId, pixels: Float32Array.from(pixels) });
};

function stroke(event) {
  const { left, top, width } = canvas.getBoundingClientRect();
  const scale = canvas.width / width;
  context.lineTo((event.clientX - left) * scale, (event.clientY - top) * scale);
  context.stroke();
  ask();
}

function clear() {
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  Object.assign(context, {
    strokeStyle: "#fff",
    lineWidth: 22,
    lineCap: "round",
    lineJoin: "round",
  });
}

/** The drawing as the model wants it: the mean ink of each of 28 × 28 squares. */
function ask() {
  const { data, width } = context.getImageData(0, 0, canvas.width, canvas.height);
  const square = width / SIDE;
  const pixels = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    let ink = 0;
    for (let y = 0; y < square; y++) {
      const row = Math.floor(i / SIDE) * square + y;
      for (let x = 0; x < square; x++) ink += data[4 * (row * width + (i % SIDE) * square + x)];
    }
    return ink / (255 * square * square);
  });
  globalThis.askFor(pixels);
}

function showAnswer({ probabilities, receipt, ms }) {
  const bars = [...probabilities].map((p, digit) => {
    const percent = `${(100 * p).toFixed(1)} %`;
    return `<li><b>${digit}</b><meter value="${p}"></meter><span>${percent}</span></li>`;
  });
  document.querySelector("#bars").innerHTML = bars.join("");
  show("#hash", receipt.outputHash);
  show("#gas", Number(receipt.gasUsed).toLocaleString("en"));
  show("#status", `${ms.toFixed(2)} ms`);
}

function show(selector, text) {
  document.querySelector(selector).textContent = text;
}
