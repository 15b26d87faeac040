// What the log viewer says of numbers of lines: how many there are, what is missing, what was found.
import {t} from "./texts.js"

export const countText = (shown, all, filtered) => {
  if (!all) return ""
  return filtered ? t("log.count.of", {shown, n: all}) : t("log.count", {n: all})
}

// What this tab was told of, of what there is, and what that is worth.
export function completeness({total, promised, complete}, {live, connected}) {
  const all = Math.max(total, promised)
  if (!all) return {text: "", word: "", good: false}
  const said = (name, good) => ({text: t("log.known", {known: Math.min(total, all), n: all}), word: t(name), good})
  if (live && !connected) return said("log.known.waiting", false)
  if (total < all) return said("log.known.receiving", false)
  if (live) return said("log.known.live", true)
  return complete ? said("log.known.complete", true) : said("log.known.copying", false)
}

export function gapText({count: n, above, below}, {copying, loading, failure}) {
  if (failure) return t("log.gap.failed", {n, reason: failure})
  if (loading) return t("log.gap.loading")
  if (copying) return t("log.gap.copying")
  if (!above) return t("log.gap.older", {n})
  return t(below ? "log.gap.between" : "log.gap.newer", {n})
}

export function markText(mark) {
  if (mark.cause === "copied") return t("log.mark.copied", {n: mark.count})
  if (!mark.filled) return t("log.mark.lost")
  const gone = t("log.mark.lost-for", {n: mark.seconds})
  return `${gone} ${mark.count ? t("log.mark.filled", {n: mark.count}) : t("log.mark.missed-none")}`
}

export function hitsText(hits) {
  const known = hits.places.length
  if (hits.failed) return t("log.hits.failed")
  if (!known) return t(hits.isAll ? "log.hits.none" : "log.hits.searching")
  if (!hits.isAll) return t("log.hits.least", {n: known})
  return hits.current < 0 ? t("log.hits", {n: known}) : t("log.hits.of", {current: hits.current + 1, n: known})
}
