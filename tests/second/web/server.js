const http = require('node:http')
const { ask } = require('./redis')
const { VERSION } = require('./version')

http.createServer(async (request, response) => {
  try {
    const said = { version: VERSION, greeting: process.env.GREETING }
    if (request.url === '/count') said.count = Number(await ask('INCR', 'count'))
    if (request.url === '/ready') await ask('PING')
    response.end(JSON.stringify(said))
  } catch (error) {
    response.statusCode = 503
    response.end(error.message)
  }
}).listen(4000)
process.on('SIGTERM', () => process.exit(0))
