// The browser's copy of the rows that the session in Python has loaded, and how its edits change it. Pure.
export const NO_ROWS = {start: 0, cards: [], total: 0}

export const rowAt = ({start, cards}, row) => cards[row - start]

export const rowOf = ({start, cards}, jobId) => {
  const place = cards.findIndex((card) => card.job_id === jobId)
  return place < 0 ? null : start + place
}

// The rows after an edit, and the change of the number of rows above `top`: what is read must not move.
export function applyEdit(rows, {kind, at, card}, top) {
  const place = at - rows.start
  const cards = rows.cards.slice()
  if (kind === "put") cards[place] = card
  else if (kind === "insert") cards.splice(place, 0, card)
  else if (kind === "remove") cards.splice(place, 1)
  else if (kind === "trim") cards.length = place
  const moved = kind === "insert" ? 1 : kind === "remove" ? -1 : 0
  return {rows: {...rows, cards, total: rows.total + moved}, above: at < top ? moved : 0}
}

export const applyEdits = (rows, edits, top) => edits.reduce((done, edit) => {
  const {rows: next, above} = applyEdit(done.rows, edit, top + done.above)
  return {rows: next, above: done.above + above}
}, {rows, above: 0})

// Which rows to ask for when [first, last) is seen, with some to spare; null while everything near is there.
const NEAR = 12
const SPARE = 40
export function lacking({start, cards, total}, [first, last]) {
  const end = start + cards.length
  const enough = (start === 0 || start <= first - NEAR) && (end >= total || end >= last + NEAR)
  return enough ? null : {first: Math.max(0, first - SPARE), last: Math.min(total, last + SPARE)}
}
