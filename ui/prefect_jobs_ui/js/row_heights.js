// A window onto 100,000 lines of different heights: which rows are visible, and how much lies above them. Heights are a
// guess until a row was drawn once. Sums are kept per block, so a look-up costs hundreds of steps, not hundred thousand.
const BLOCK = 256

export class RowHeights {
  constructor(guess) {
    this.guess = guess
    this.heights = []
    this.blocks = []
    this.total = 0
  }

  // Follows the number of rows; rows are only ever added at the end, else a new object is made.
  grow(count) {
    while (this.heights.length < count) this.push(this.guess)
  }

  push(height) {
    const block = Math.floor(this.heights.length / BLOCK)
    this.heights.push(height)
    this.blocks[block] = (this.blocks[block] ?? 0) + height
    this.total += height
  }

  // A drawn row's true height; answers by how much it was wrong.
  measured(row, height) {
    const wrong = height - this.heights[row]
    if (Math.abs(wrong) < 0.5) return 0
    this.heights[row] = height
    this.blocks[Math.floor(row / BLOCK)] += wrong
    this.total += wrong
    return wrong
  }

  top(row) {
    const block = Math.floor(row / BLOCK)
    let top = 0
    for (let i = 0; i < block; i++) top += this.blocks[i]
    for (let i = block * BLOCK; i < row; i++) top += this.heights[i]
    return top
  }

  // The row at this distance from the top.
  at(offset) {
    let block = 0
    let top = 0
    while (block < this.blocks.length - 1 && top + this.blocks[block] <= offset) top += this.blocks[block++]
    let row = block * BLOCK
    while (row < this.heights.length - 1 && top + this.heights[row] <= offset) top += this.heights[row++]
    return Math.min(row, Math.max(0, this.heights.length - 1))
  }
}
