import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

// Where `make run` serves the API and, under /__clerk, the local Clerk instance: PORT=8100 npm run dev.
const { PORT = "8000" } = loadEnv("", ".", "PORT");
// Keep the Host header: tokens name the origin they were made for.
const backend = { target: `http://localhost:${PORT}`, changeOrigin: false };

export default defineConfig({
  plugins: [react()],
  server: {
    port: 5173,
    strictPort: true, // the API's CORS and Clerk's tokens know this origin and no other
    proxy: {
      "/__clerk": backend,
      "/api": backend,
      "/auth": backend,
      "/protected": backend,
      "/config.json": backend,
      "/healthz": backend,
    },
  },
  build: {
    assetsInlineLimit: 0, // the API's Content-Security-Policy has no data: addresses
  },
});
