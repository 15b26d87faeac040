export const number = (n) => n.toLocaleString("en-US")
