import { VERSION } from './version.js';

document.title = VERSION;
