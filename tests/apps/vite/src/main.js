import { VERSION } from './version.js';

// the one page routes by itself: the server gives it for every path
document.querySelector('#app').textContent = `${VERSION} at ${location.pathname}`;
