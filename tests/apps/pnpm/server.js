// Installed by pnpm, which comes by the version in packageManager; started by `main`.
const http = require('http');
const isNumber = require('is-number');

const VERSION = "pnpm one";

http
  .createServer((request, response) => {
    response.end(`${VERSION} ${isNumber(1)} ${process.env.GREETING || 'no greeting'}\n`);
  })
  .listen(process.env.PORT);
