// One member of an npm workspace that uses another one and a package of the registry.
const http = require('http');
const greeting = require('@hello/greeting');
const isNumber = require('is-number');

const VERSION = "workspace one";

http
  .createServer((request, response) => {
    response.end(`${VERSION} ${greeting} ${isNumber(1)} ${process.env.GREETING || 'no greeting'}\n`);
  })
  .listen(process.env.PORT);
