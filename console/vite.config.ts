import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  // The server puts its own address before these: it may be reached below a path.
  base: './',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing is put into the page itself: its policy takes no data: and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Who has a question about a page in production finds the source in the repository.
    sourcemap: false,
    reportCompressedSize: false,
    manifest: true,
    // The budget is that of build.ts.
    chunkSizeWarningLimit: 1_000,
    rolldownOptions: {
      output: {
        // React and what rests on it changes seldom: it stays in the browser's cache over releases of ours.
        codeSplitting: { groups: [{ name: 'base', test: /node_modules/, tags: ['$initial'] }] },
      },
    },
  },
});
