/** The two-sided p-value of Student's t: the chance of a t at least this far from 0. `df` need not be whole. */
export function twoSidedP(t: number, df: number): number {
  return regularizedBeta(df / (df + t * t), df / 2, 0.5);
}

/**
 * The t beyond which (to one side) lies the share `tail`, 0 < tail < 0.5. The logarithm of that share is concave in the
 * logarithm of t: Newton's steps come down on it from above.
 */
export function studentQuantile(tail: number, df: number): number {
  let logT = 0;
  for (let i = 0; i < 100; i++) {
    const t = Math.exp(logT);
    const p = twoSidedP(t, df);
    // So far out that nothing is left to take the logarithm of.
    if (p < Number.MIN_VALUE * 1e16) {
      logT /= 2;
      continue;
    }
    const step = (Math.log(p / (2 * tail)) * p) / (2 * t * density(t, df));
    logT += step;
    if (Math.abs(step) < 1e-13) break;
  }
  return Math.exp(logT);
}

const density = (t: number, df: number): number =>
  Math.exp(logGamma((df + 1) / 2) - logGamma(df / 2) - ((df + 1) / 2) * Math.log1p((t * t) / df)) /
  Math.sqrt(df * Math.PI);

/** The x at which I_x(a, b) reaches `share`: the quantile of the beta distribution. */
export function betaQuantile(share: number, a: number, b: number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (regularizedBeta(middle, a, b) < share) low = middle;
    else high = middle;
  }
  return high;
}

/** I_x(a, b), by the continued fraction on the side where it converges fast (Numerical Recipes, 6.4). */
function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

// Lentz's method; 1e-300 stands for zero, which the recurrence must not divide by.
function betaFraction(x: number, a: number, b: number): number {
  const away = (value: number): number => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 20_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return fraction;
}

/** ln Γ(x) for x > 0: Stirling's series, after lifting x to where it is good to 1e-15. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 10; z++) shift += Math.log(z);
  const inverse = 1 / (z * z);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
