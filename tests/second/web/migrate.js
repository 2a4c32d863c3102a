const { ask } = require('./redis')
const { SCHEMA } = require('./version')

const main = async () => {
  const now = Number(await ask('GET', 'schema')) || 0
  if (now > SCHEMA) throw new Error(`the data is at ${now}, this release knows ${SCHEMA}`)
  await ask('SET', 'schema', String(SCHEMA))
}
main().catch((error) => { console.error(error.message); process.exit(1) })
