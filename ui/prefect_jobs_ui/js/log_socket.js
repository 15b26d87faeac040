// The lines of a living job, as they are written: replayed from a number on, then followed, through lost connections.
import {lineOf} from "./log_line.js"

const CONNECT_MS = 10000
export const ATTEMPTS = 5

// The wait before reconnect attempt n (1..5) in milliseconds (contract 9.3).
export const backoff = (attempt, random = Math.random()) => Math.min(1000 * 2 ** (attempt - 1), 30000) * (1 + random / 4)

// What the indicator shows after a lost or failed connection.
export const afterLoss = (attempt) => (attempt >= ATTEMPTS ? {state: "failed", attempt} : {state: "reconnecting", attempt: attempt + 1})

export class LogSocket {
  // `onLine(line)`, `onPosition(position)`, `onConnection({state, attempt})`; `after()` is the number to go on behind.
  constructor(jobId, {after, onLine, onPosition, onConnection}) {
    Object.assign(this, {jobId, after, onLine, onPosition, onConnection})
    this.connection = {state: "disconnected", attempt: 0}
    this.socket = null
  }

  get open() {
    return this.socket !== null || this.connection.state === "reconnecting"
  }

  retry() {
    if (this.connection.state === "failed") this.connect(0)
  }

  close() {
    this.drop()
    this.say({state: "disconnected", attempt: 0})
  }

  say(connection) {
    this.connection = connection
    this.onConnection(connection)
  }

  drop() {
    clearTimeout(this.waiting)
    clearTimeout(this.opening)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  connect(attempt) {
    this.drop()
    const address = new URL(`ws/jobs/${encodeURIComponent(this.jobId)}/logs?after=${this.after()}`, document.baseURI)
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:"
    const socket = new WebSocket(address)
    this.socket = socket
    this.say(attempt ? {state: "reconnecting", attempt} : {state: "connecting", attempt})
    this.opening = setTimeout(() => socket.close(), CONNECT_MS)
    socket.onopen = () => {
      clearTimeout(this.opening)
      attempt = 0
      this.say({state: "connected", attempt: 0})
    }
    socket.onmessage = ({data}) => { if (this.socket === socket) this.hear(data) }
    socket.onclose = () => {
      if (this.socket !== socket) return
      this.socket = null
      clearTimeout(this.opening)
      const next = afterLoss(attempt)
      if (next.state === "reconnecting") this.waiting = setTimeout(() => this.connect(next.attempt), backoff(next.attempt))
      this.say(next)
    }
  }

  hear(data) {
    let frame
    try { frame = JSON.parse(data) } catch { return }
    if (frame?.type === "log" && frame.data) {
      const line = lineOf(frame.data)
      if (line) this.onLine(line)
    } else if (frame?.type === "ping") this.socket.send('{"type":"pong"}')
    else if (frame?.type === "position") this.onPosition(frame)
  }
}
