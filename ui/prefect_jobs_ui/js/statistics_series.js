// From the buckets that the API answers to the series that the plots draw. Pure; times are milliseconds.
const MINUTE = 60_000
const WIDTHS = {minute: MINUTE, hour: 60 * MINUTE, day: 1440 * MINUTE}

export const PERIODS = {
  hour: {span: WIDTHS.hour, bucket: "minute"},
  day: {span: WIDTHS.day, bucket: "hour"},
  week: {span: 7 * WIDTHS.day, bucket: "hour"},
  month: {span: 30 * WIDTHS.day, bucket: "day"},
  quarter: {span: 84 * WIDTHS.day, bucket: "day"},
}

// Whole buckets that end with the one of now: the last one is still filling.
export function spanOf(period, now) {
  const {span, bucket} = PERIODS[period]
  const width = WIDTHS[bucket]
  const to = (Math.floor(now / width) + 1) * width
  return {from: to - span, to, bucket, width}
}

const NONE = {created: 0, completed: 0, failed: 0, cancelled: 0}

// A weighted median: half of the weight lies at or below it.
export function median(pairs) {
  const known = pairs.filter(([value, weight]) => value !== null && weight > 0).sort((a, b) => a[0] - b[0])
  const half = known.reduce((sum, [, weight]) => sum + weight, 0) / 2
  let passed = 0
  for (const [value, weight] of known) {
    passed += weight
    if (passed >= half) return value
  }
  return null
}

const quantiles = (parts, name, weight) => {
  const of = (quantile) => median(parts.map((part) => [part[name]?.[quantile] ?? null, Math.max(1, weight(part))]))
  return {p50: of("p50"), p95: of("p95")}
}

// Several buckets as one: counts are added, times are the weighted medians.
export function joined(parts) {
  const sum = (name) => parts.reduce((total, part) => total + part[name], 0)
  const ended = (part) => part.completed
  return {
    created: sum("created"), completed: sum("completed"), failed: sum("failed"), cancelled: sum("cancelled"),
    wait: quantiles(parts, "queue_wait_seconds", (part) => part.created), run: quantiles(parts, "run_seconds", ended),
  }
}

// One entry per bucket of the span, also where nothing happened.
export function series(buckets, {from, to, width}) {
  const byStart = new Map()
  for (const bucket of buckets) {
    const start = Date.parse(bucket.start)
    byStart.set(start, [...(byStart.get(start) ?? []), bucket])
  }
  const found = []
  for (let start = from; start < to; start += width) {
    const parts = byStart.get(start) ?? []
    found.push({start, end: start + width, ...(parts.length ? joined(parts) : {...NONE, wait: {p50: null, p95: null}, run: {p50: null, p95: null}})})
  }
  return found
}

export function byType(buckets) {
  const types = [...new Set(buckets.map(({job_type}) => job_type))].sort()
  return types.map((type) => ({type, ...joined(buckets.filter(({job_type}) => job_type === type))}))
    .sort((a, b) => b.created + b.completed - a.created - a.completed)
}

export const failureRate = ({completed, failed}) => (completed + failed ? failed / (completed + failed) : null)

// What finds the jobs behind a bar: the search language's words for a stretch of time, ends included.
export function rangeOf(field, {start, end}) {
  const stamp = (time) => new Date(time).toISOString().replace(".000Z", "Z")
  return `${field}:${stamp(start)}..${new Date(end - 1).toISOString()}`
}

// The smallest round number that nothing exceeds, so that half of it is round too.
export function roundUp(most) {
  if (most <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= most - 1e-9)
}

const TIMES = [60, 120, 240, 600, 1200, 2400, 3600, 7200, 14400, 28800, 43200, 86400]

// The same for seconds: above a minute, what reads well as minutes, hours and days.
export function roundUpTime(most) {
  if (most <= 60) return roundUp(most)
  return TIMES.find((step) => step >= most) ?? roundUp(most / 86400) * 86400
}
