import { resolve } from "node:path";
import { defineConfig } from "vite";

// Three pages: the map, and one device page that plays a phone or a TV. Everything is bundled:
// the built page asks no other machine for anything.
export default defineConfig({
  base: "./",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    chunkSizeWarningLimit: 2500,
    rollupOptions: {
      input: {
        index: resolve(import.meta.dirname, "index.html"),
        device: resolve(import.meta.dirname, "device.html"),
        worker: resolve(import.meta.dirname, "src/device/worker.ts"),
      },
      output: {
        entryFileNames: (chunk) =>
          chunk.name === "worker" ? "worker.js" : "assets/[name]-[hash].js",
      },
    },
  },
});
