import type { Schemas } from "../api/client";
import { Loaded } from "../components/Loaded";
import { ProfileForm } from "../components/ProfileForm";
import { formatMoment } from "../format";
import { useResource } from "../hooks/useResource";

type Account = Schemas["AccountOut"];

/** The caller's row. Read again after each webhook, so that what changed at Clerk is seen to change here. */
export function AccountPage({ newestEvent }: { newestEvent: string | undefined }) {
  const account = useResource(
    `account ${newestEvent}`,
    async (api, signal) => (await api.get("/auth/me", { signal })).data,
  );
  return (
    <>
      <h1>Your row</h1>
      <p className="lead">
        What this application's database knows about you. Name and e-mail come from Clerk by webhook; the profile is
        yours to write.
      </p>
      <Loaded resource={account}>
        {(data) => (
          <>
            <Ticket account={data} />
            <ProfileForm user={data.user} onSaved={account.replace} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Ticket({ account: { user, subscription } }: { account: Account }) {
  const name = [user.first_name, user.last_name].filter(Boolean).join(" ");
  return (
    <section className="ticket" aria-label="Database row">
      <dl className="ticket-stub">
        <dt>user_id</dt>
        <dd className="serial" data-testid="user-id">
          {user.user_id}
        </dd>
      </dl>
      <dl className="ticket-body">
        <Column name="email" value={user.email} note={user.email_verified ? "verified" : "not verified"} width="long" />
        <Column name="first_name, last_name" value={name} width="long" />
        <Column name="role" value={user.role} />
        <Column name="plan" value={subscription.plan} />
        <Column name="created_at" value={formatMoment(user.created_at)} />
        <Column name="updated_at" value={formatMoment(user.updated_at)} />
        <Column name="clerk_user_id" value={user.clerk_user_id} width="full" />
      </dl>
    </section>
  );
}

type ColumnProps = { name: string; value: string | null; note?: string; width?: "long" | "full" };

function Column({ name, value, note, width }: ColumnProps) {
  return (
    <div className={width}>
      <dt>{name}</dt>
      <dd>
        {value ? <bdi>{value}</bdi> : <span className="null">null</span>}{" "}
        {note && <span className="pill">{note}</span>}
      </dd>
    </div>
  );
}
