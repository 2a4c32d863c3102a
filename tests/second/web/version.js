exports.VERSION = 'one'
exports.SCHEMA = 1
