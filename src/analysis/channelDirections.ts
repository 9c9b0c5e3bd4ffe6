/** Which channels of a value go together: variances, and the directions that they share most. */

/** Directions that are kept: with 8, rounding by them is as good as with all, within 1 dB. */
const KEPT = 8;
/** Probes of the covariance; twice as many as are kept make those accurate enough. */
const PROBES = 16;
/** Positions of a sample that are looked at. */
const POSITIONS = 320;

/**
 * Measures the covariance of channels through what it makes of a few fixed vectors (Nyström's
 * method): memory and time stay proportional to the channels, not to their square.
 */
export class ChannelDirections {
  readonly axis: number;
  readonly size: number;
  #count = 0;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;
  /** Σ x·(xᵀ·probe), by probe. */
  readonly #images: readonly Float64Array[];
  readonly #row: Float64Array;

  constructor(axis: number, size: number) {
    this.axis = axis;
    this.size = size;
    this.#sum = new Float64Array(size);
    this.#squares = new Float64Array(size);
    this.#images = Array.from({ length: PROBES }, () => new Float64Array(size));
    this.#row = new Float64Array(size);
  }

  add(data: ArrayLike<number>, dims: readonly number[]): void {
    const { size } = this;
    const inner = dims.slice(this.axis + 1).reduce((a, b) => a * b, 1);
    const positions = size === 0 ? 0 : data.length / size;
    const looked = Math.min(positions, POSITIONS);
    const row = this.#row;
    for (let i = 0; i < looked; i++) {
      // Fractions of the golden ratio meet no pattern of rows and columns.
      const at = looked === positions ? i : Math.floor(((i * GOLDEN) % 1) * positions);
      const base = Math.floor(at / inner) * size * inner + (at % inner);
      for (let c = 0; c < size; c++) {
        const x = data[base + c * inner]!;
        row[c] = x - x === 0 ? x : 0;
        this.#sum[c]! += row[c]!;
        this.#squares[c]! += row[c]! ** 2;
      }
      this.#images.forEach((image, p) => {
        let product = 0;
        for (let c = 0; c < size; c++) product += row[c]! * probe(p, c);
        for (let c = 0; c < size; c++) image[c]! += row[c]! * product;
      });
    }
    this.#count += looked;
  }

  finish(): { readonly variance: Float64Array; readonly directions: readonly Float64Array[] } {
    const count = this.#count;
    const mean = this.#sum.map((sum) => sum / count);
    const variance = this.#squares.map((sum, c) => Math.max(sum / count - mean[c]! ** 2, 0));
    const images = this.#images.map((image, p) => {
      const onMean = mean.reduce((sum, m, c) => sum + m * probe(p, c), 0);
      return image.map((sum, c) => sum / count - mean[c]! * onMean);
    });
    const factor = nystromFactor(images);
    orthogonalise(factor);
    const length = (v: Float64Array): number => v.reduce((sum, x) => sum + x * x, 0);
    const directions = factor
      .map((v) => ({ v, length: length(v) }))
      .sort((a, b) => b.length - a.length)
      .slice(0, KEPT)
      .filter((direction) => direction.length > 0)
      .map(({ v }) => v);
    return { variance, directions };
  }
}

const GOLDEN = 0.6180339887498949;

/** Sign of probe p at channel c: bits that are as good as random, the same everywhere. */
function probe(p: number, c: number): number {
  let h = Math.imul(c + 1, 0x9e3779b1) ^ Math.imul(p + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) & 1 ? 1 : -1;
}

/** What of the covariance's trace a pivot must have to be more than rounding. */
const LEAST_PIVOT = 1e-9;

/** Vectors b with Σ b·bᵀ ≈ C, from the images C·probe: Y·(PᵀY)⁻¹·Yᵀ by Cholesky. */
function nystromFactor(images: readonly Float64Array[]): Float64Array[] {
  const products = images.map((_, p) =>
    images.map((image) => image.reduce((sum, x, c) => sum + x * probe(p, c), 0)),
  );
  const least = LEAST_PIVOT * products.reduce((most, row, p) => Math.max(most, row[p]!), 0);
  const rows: number[][] = [];
  const factor: Float64Array[] = [];
  products.forEach((row, p) => {
    const own: number[] = [];
    for (let q = 0; q < p; q++) {
      const below = rows[q]!;
      let left = row[q]!;
      for (let k = 0; k < q; k++) left -= own[k]! * below[k]!;
      own.push(below[q]! === 0 ? 0 : left / below[q]!);
    }
    const pivot = own.reduce((left, x) => left - x * x, row[p]!);
    const root = pivot > least ? Math.sqrt(pivot) : 0;
    own.push(root);
    rows.push(own);
    factor.push(
      images[p]!.map((y, c) => {
        if (root === 0) return 0;
        let left = y;
        for (let k = 0; k < p; k++) left -= own[k]! * factor[k]![c]!;
        return left / root;
      }),
    );
  });
  return factor;
}

const SWEEPS = 8;

/** Turns vectors within their span, Σ b·bᵀ staying what it is, until they are at right angles (Jacobi). */
function orthogonalise(vectors: readonly Float64Array[]): void {
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    vectors.forEach((b, j) => {
      for (const a of vectors.slice(0, j)) {
        let [aa, bb, ab] = [0, 0, 0];
        for (let c = 0; c < a.length; c++) {
          aa += a[c]! ** 2;
          bb += b[c]! ** 2;
          ab += a[c]! * b[c]!;
        }
        if (ab === 0) continue;
        const half = (bb - aa) / (2 * ab);
        const tangent = (half < 0 ? -1 : 1) / (Math.abs(half) + Math.sqrt(1 + half * half));
        const cosine = 1 / Math.sqrt(1 + tangent * tangent);
        for (let c = 0; c < a.length; c++) {
          const [x, y] = [a[c]!, b[c]!];
          a[c] = cosine * (x - tangent * y);
          b[c] = cosine * (y + tangent * x);
        }
      }
    });
  }
}
