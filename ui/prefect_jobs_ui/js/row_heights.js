// Where each row of the box stands: rows of different heights, known once drawn and a guess until then. Rows are lines,
// marks, and gaps; a gap is as high as its lines would be, as long as a browser can scroll that far.
const TALLEST = 12_000_000 // browsers end an element somewhere above 17 million pixels

export class RowHeights {
  // `guess` is the height of a row that was never drawn, in pixels.
  constructor(rows, guess) {
    this.rows = rows
    const missing = rows.reduce((sum, row) => sum + (row.kind === "gap" ? row.count : 0), 0)
    const perLine = Math.min(guess, TALLEST / Math.max(1, missing))
    this.tops = new Float64Array(rows.length + 1)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]
      row.row = i
      if (row.kind === "gap") row.height = Math.max(2 * guess, Math.round(row.count * perLine))
      this.tops[i + 1] = this.tops[i] + (row.height || guess)
    }
  }

  get total() {
    return this.tops[this.rows.length]
  }

  top(row) {
    return this.tops[row]
  }

  // The row at this distance from the top.
  at(offset) {
    let low = 0
    let high = this.rows.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.tops[middle] <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}
