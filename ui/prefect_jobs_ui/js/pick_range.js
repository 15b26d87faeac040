// A range is what the list shows between two jobs, ends included. It may reach over thousands that were never loaded:
// their ids are asked for by the times of both, since rows move while jobs come and go.
import {address} from "./address.js"
import {ask} from "./api.js"
import {searchOf} from "./bulk_filter.js"
import {rowOf} from "./list_rows.js"
import {say} from "./overlay.js"
import {picks} from "./picks.js"
import {t} from "./texts.js"

const PAGE = 1000
const MOST = 10_000

const isNewer = (a, b) => Date.parse(a.created_at) - Date.parse(b.created_at) || (a.created_at > b.created_at ? 1 : -1)

export async function pickRange(one, other, rows) {
  if (picks.get().filter !== null) return picks.clear() // as one of them would
  const ends = [rowOf(rows, one.job_id), rowOf(rows, other.job_id)]
  if (!ends.includes(null)) return picks.add(rows.cards.slice(Math.min(...ends) - rows.start, Math.max(...ends) + 1 - rows.start).map(({job_id}) => job_id))
  const {turn} = picks
  try {
    const ids = await idsBetween(...(isNewer(one, other) > 0 ? [one, other] : [other, one]))
    if (turn !== picks.turn) return undefined // cleared meanwhile, or another list
    picks.add(ids.slice(0, MOST))
    if (ids.length > MOST) say(t("pick.limit", {n: MOST}), "bad")
  } catch (error) {
    say(error.message, "bad")
  }
  return undefined
}

// The ids from the first to the last, newest first, a few more than may be picked where there are more.
async function idsBetween(first, last) {
  const wanted = {...searchOf(address.get()), created_after: last.created_at, limit: PAGE}
  const ids = new Set()
  for (let before = first.created_at, more = true; more && ids.size <= MOST;) {
    const {data} = await ask("jobs/search", {query: {...wanted, created_before: before}})
    const known = ids.size
    for (const {job_id} of data) ids.add(job_id)
    before = data.at(-1)?.created_at
    more = data.length === PAGE && ids.size > known
  }
  // Of jobs that were created at the very moment of an end, those beyond it.
  const found = [...ids]
  const [begin, end] = [found.indexOf(first.job_id), found.indexOf(last.job_id)]
  return found.slice(Math.max(0, begin), end < 0 ? found.length : end + 1)
}
