// An Express app: npm's lock, a version range in engines, started by its `start` script.
const express = require('express');

const VERSION = "express one";

const app = express();
app.get('/', (request, response) => {
  response.type('text/plain').send(`${VERSION} ${process.env.GREETING || 'no greeting'}\n`);
});
app.listen(process.env.PORT);
