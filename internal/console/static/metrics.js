// The few figures that only /metrics has, read from its text.

export function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    if (!line || line[0] === "#") continue;
    const space = line.lastIndexOf(" ");
    samples.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return samples;
}

// quantile of a classic histogram's observations between two scrapes, in seconds; NaN when there were none.
export function quantile(name, q, before, now) {
  const prefix = `${name}_bucket{le="`;
  const buckets = [];
  for (const [sample, value] of now) {
    if (!sample.startsWith(prefix)) continue;
    const le = sample.slice(prefix.length, -2);
    buckets.push([le === "+Inf" ? Infinity : Number(le), value - ((before && before.get(sample)) || 0)]);
  }
  buckets.sort((a, b) => a[0] - b[0]);
  const total = buckets.length ? buckets[buckets.length - 1][1] : 0;
  if (total <= 0) return NaN;
  let [low, below] = [0, 0];
  for (const [high, upTo] of buckets) {
    if (upTo >= q * total) {
      if (high === Infinity) return low;
      return low + (high - low) * ((q * total - below) / (upTo - below || 1));
    }
    [low, below] = [high, upTo];
  }
  return low;
}
