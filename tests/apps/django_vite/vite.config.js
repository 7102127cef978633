// The assets of a Django project, and a note of which version they are.
import { VERSION } from './src/version.js';

export default {
  build: { outDir: 'built', rollupOptions: { input: 'src/main.js' } },
  plugins: [
    {
      name: 'version',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: 'version.txt', source: VERSION });
      },
    },
  ],
};
