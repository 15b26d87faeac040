// Browsers cap an element near 33 million pixels (some near 17), and a million rows need 76. So the box is as tall as
// the limit allows and the rows are laid out with an offset. Small moves stay small moves, pixel by pixel; a drag of
// the scroll bar goes to the place it shows. The offset changes in steps ("pages"), which keeps both ends exact.
const PAGES = 100

export class TallScroll {
  constructor(rowHeight, limit = 8_000_000) {
    Object.assign(this, {rowHeight, limit, rows: 0, viewport: 0, physical: 0, offset: 0})
    this.resize(0, 0)
  }

  // Follows the number of rows and the height of the box around; answers where the scroll bar belongs now.
  resize(rows, viewport) {
    const top = this.top
    this.rows = rows
    this.viewport = viewport
    this.virtual = rows * this.rowHeight
    this.height = Math.min(this.virtual, this.limit)
    this.pageHeight = this.height / PAGES
    // Rounded down: the last page takes the rest, so that its end is the end of the box.
    this.pages = this.pageHeight ? Math.floor(this.virtual / this.pageHeight) : 1
    this.step = this.pages > 1 ? (this.virtual - this.height) / (this.pages - 1) : 0
    return this.moveTo(top)
  }

  // How many pixels of all rows lie above the box's upper edge.
  get top() {
    return this.physical + this.offset
  }

  get maxTop() {
    return Math.max(0, this.virtual - this.viewport)
  }

  // The scroll bar was moved to `physical`; answers where it belongs.
  scrolled(physical) {
    const moved = physical - this.physical
    if (this.virtual === this.height) {
      this.offset = 0
      this.physical = physical
    } else if (Math.abs(moved) <= this.viewport) {
      return this.moveTo(this.top + moved)
    } else {
      const scale = this.maxTop / Math.max(1, this.height - this.viewport)
      this.offset = this.offsetOf(physical * scale)
      this.physical = physical
    }
    return this.physical
  }

  // Goes to this many pixels below the first row's top; answers where the scroll bar belongs.
  moveTo(top) {
    const wanted = Math.min(Math.max(0, top), this.maxTop)
    this.offset = this.offsetOf(wanted)
    this.physical = wanted - this.offset
    return this.physical
  }

  offsetOf(top) {
    return this.step ? Math.round(Math.min(this.pages - 1, Math.floor(top / this.pageHeight)) * this.step) : 0
  }

  // The rows that the box shows, as [first, behind the last].
  get visible() {
    const first = Math.floor(this.top / this.rowHeight)
    return [Math.min(first, this.rows), Math.min(this.rows, Math.ceil((this.top + this.viewport) / this.rowHeight))]
  }

  // Where a row is drawn inside the box.
  place(row) {
    return row * this.rowHeight - this.offset
  }

  // Brings a row into sight with as little movement as possible.
  reveal(row) {
    const top = row * this.rowHeight
    if (top < this.top) return this.moveTo(top)
    if (top + this.rowHeight > this.top + this.viewport) return this.moveTo(top + this.rowHeight - this.viewport)
    return this.physical
  }
}
