// The rows of the box, from top to bottom: lines, the gaps between what is held, and the marks that say what happened there.
import {order} from "./log_line.js"
import {writesOver} from "./log_text.js"

export function rowsOf(book, opened) {
  const rows = []
  const gaps = book.gaps()
  const marks = [...book.marks]
  let attempt = null
  const place = (gap) => rows.push(gap)
  const put = (line) => {
    while (marks.length && order(marks[0].place, line) < 0) rows.push(marks.shift())
    if (attempt !== null && line.attempt !== attempt) {
      // The same row each time: its height is known once it was drawn.
      line.begins ??= {kind: "attempt", key: `attempt-${line.key}`, attempt: line.attempt, height: 0}
      rows.push(line.begins)
    }
    attempt = line.attempt
    rows.push(line)
  }
  for (const stretch of book.stretches) {
    for (const gap of gaps.filter(({below}) => below === stretch)) place(gap)
    let previous = null
    for (const line of stretch.lines) {
      // A progress line that was written over is shown only where its group was opened.
      const replaced = previous !== null && writesOver(line, previous) ? previous.replaced + 1 : 0
      line.replaced = replaced
      line.group = replaced ? previous.group : `group-${line.key}`
      if (replaced && rows.at(-1) === previous && !opened.has(line.group)) rows.pop()
      put(line)
      previous = line
    }
  }
  for (const gap of gaps.filter(({below}) => !below)) place(gap)
  rows.push(...marks)
  return rows
}
