// Calls of Clerk's Node SDK: for each line `[name, given]` of JSON on stdin, one with what came of it.
import { createInterface } from "node:readline";
import { createClerkClient, verifyToken } from "@clerk/backend";
import { verifyWebhook } from "@clerk/backend/webhooks";

const { CLERK_SECRET_KEY: secretKey, CLERK_PUBLISHABLE_KEY: publishableKey, CLERK_API_URL: apiUrl } = process.env;
const clerk = createClerkClient({ secretKey, publishableKey, apiUrl });

const calls = {
  verifyByKey: ({ token, ...options }) => verifyToken(token, options),
  verifyByKeySet: ({ token, ...options }) => verifyToken(token, { ...options, secretKey, apiUrl }),

  async authenticate({ token, jwtKey, authorizedParties }) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const request = new Request("http://localhost:8000/auth/me", { headers });
    const state = await clerk.authenticateRequest(request, { jwtKey, authorizedParties });
    const { userId, sessionId } = state.toAuth() ?? {};
    return { isAuthenticated: state.isAuthenticated, reason: state.reason, userId, sessionId };
  },

  async users({ emailAddress }) {
    const { data, totalCount } = await clerk.users.getUserList({ emailAddress: [emailAddress] });
    const count = await clerk.users.getCount({ emailAddress: [emailAddress] });
    return { users: data, totalCount, count };
  },
  page: (given) => clerk.users.getUserList(given).then(({ data, totalCount }) => ({ ids: data.map(({ id }) => id), totalCount })),
  user: ({ userId }) => clerk.users.getUser(userId),
  createPhoneNumber: (fields) => clerk.phoneNumbers.createPhoneNumber(fields),
  async organization({ organizationId, inviterUserId, emailAddress }) {
    const { organizations, billing } = clerk;
    const role = "org:member";
    const invitation = await organizations.createOrganizationInvitation({ organizationId, inviterUserId, emailAddress, role });
    const invitations = await organizations.getOrganizationInvitationList({ organizationId });
    const subscription = await billing.getOrganizationBillingSubscription(organizationId);
    return { invitation, invitations, plans: subscription.subscriptionItems.map(({ plan }) => plan.slug) };
  },
  createUser: (fields) => clerk.users.createUser(fields),
  updateUser: ({ userId, ...fields }) => clerk.users.updateUser(userId, fields),
  updateMetadata: ({ userId, ...fields }) => clerk.users.updateUserMetadata(userId, fields),
  verifyPassword: (fields) => clerk.users.verifyPassword(fields),
  deleteUser: ({ userId }) => clerk.users.deleteUser(userId),

  session: ({ sessionId }) => clerk.sessions.getSession(sessionId),
  sessions: ({ userId, status }) => clerk.sessions.getSessionList({ userId, status }),
  sessionToken: ({ sessionId, template }) => clerk.sessions.getToken(sessionId, template),
  revoke: ({ sessionId }) => clerk.sessions.revokeSession(sessionId),
  signInToken: ({ userId }) => clerk.signInTokens.createSignInToken({ userId, expiresInSeconds: 60 }),

  webhook({ headers, body, signingSecret }) {
    const request = new Request("http://localhost/webhooks", { method: "POST", headers, body });
    return verifyWebhook(request, { signingSecret });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, given] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: await calls[name](given) }));
  } catch (error) {
    // An Error has no JSON of its own.
    const { reason, status, errors, message } = error;
    console.log(JSON.stringify({ error: { reason, status, codes: errors?.map(({ code }) => code), message } }));
  }
}
