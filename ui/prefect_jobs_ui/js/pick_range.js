// A range of rows may reach over a thousand that were never loaded: their ids are asked for.
import {address} from "./address.js"
import {ask} from "./api.js"
import {searchOf} from "./bulk_filter.js"
import {rowAt} from "./list_rows.js"
import {say} from "./overlay.js"
import {picks} from "./picks.js"
import {t} from "./texts.js"

const PAGE = 1000
const MOST = 10_000

export async function pickRange(from, to, rows) {
  if (picks.get().filter !== null) return picks.clear() // as one of them would
  const [first, end] = [Math.min(from, to), Math.max(from, to)]
  const last = Math.min(end, first + MOST - 1)
  const loaded = []
  for (let row = first; row <= last; row++) loaded.push(rowAt(rows, row)?.job_id)
  if (loaded.every(Boolean)) {
    picks.add(loaded)
    return
  }
  try {
    for (let offset = first; offset <= last; offset += PAGE) {
      const found = await ask("jobs/search", {query: {...searchOf(address.get()), offset, limit: Math.min(PAGE, last - offset + 1)}})
      picks.add(found.data.map(({job_id}) => job_id))
    }
    if (last < end) say(t("pick.limit", {n: MOST}), "bad")
  } catch (error) {
    say(error.message, "bad")
  }
}
