import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `make run` starts both. Keep the Host header: tokens name the origin they were made for.
const api = { target: "http://localhost:8000", changeOrigin: false };
const clerk = { target: "http://localhost:5555", changeOrigin: false };

export default defineConfig({
  plugins: [react()],
  server: {
    port: 5173,
    strictPort: true, // the API's CORS and Clerk's tokens know this origin and no other
    proxy: {
      "/__clerk": { ...clerk, rewrite: (path) => path.replace(/^\/__clerk/, "") },
      "/api": api,
      "/auth": api,
      "/protected": api,
      "/config.json": api,
      "/healthz": api,
    },
  },
  build: {
    assetsInlineLimit: 0, // the API's Content-Security-Policy has no data: addresses
  },
});
