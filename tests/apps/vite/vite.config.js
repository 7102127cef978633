// A Vite app: built with development dependencies only, served as files.
import { VERSION } from './src/version.js';

export default {
  plugins: [{ name: 'version', transformIndexHtml: (html) => html.replace('__VERSION__', VERSION) }],
};
