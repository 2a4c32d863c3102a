// As much of Redis's protocol as this application needs.
const net = require('node:net')

exports.ask = (...words) => new Promise((done, fail) => {
  const socket = net.connect(6379, 'redis')
  socket.setTimeout(3000, () => socket.destroy(new Error('time-out')))
  socket.on('error', fail)
  socket.on('data', (data) => {
    socket.end()
    const text = data.toString()
    if (text.startsWith('-')) return fail(new Error(text.trim()))
    const lines = text.split('\r\n')
    done(text.startsWith('$') ? (lines[0] === '$-1' ? null : lines[1]) : lines[0].slice(1))
  })
  socket.write(`*${words.length}\r\n` + words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join(''))
})
