// Needs CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY and, for the local Clerk instance, CLERK_API_URL.
import { clerkMiddleware, getAuth } from "@clerk/express";
import express from "express";

const app = express();
app.use(clerkMiddleware());
app.get("/whoami", (req, res) => {
  const { isAuthenticated, userId, sessionId } = getAuth(req);
  res.status(isAuthenticated ? 200 : 401).json({ userId, sessionId });
});
app.listen(process.env.PORT ?? 3000, "127.0.0.1");
