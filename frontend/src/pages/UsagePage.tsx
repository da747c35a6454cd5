import { Loaded } from "../components/Loaded";
import { Meter } from "../components/Meter";
import { MonthlyBars } from "../components/MonthlyBars";
import { SpendForm } from "../components/SpendForm";
import type { Schemas } from "../api/client";
import { formatCount, formatDay } from "../format";
import { useResource } from "../hooks/useResource";

export function UsagePage() {
  const tokens = useResource("tokens", async (api, signal) => (await api.get("/api/tokens", { signal })).data);
  const subscription = useResource(
    "subscription",
    async (api, signal) => (await api.get("/api/subscription", { signal })).data,
  );

  function spent() {
    tokens.reload();
    subscription.reload();
  }

  return (
    <>
      <h1>Plan and usage</h1>
      <Loaded resource={tokens}>
        {(data) => (
          <>
            <section className="panel" aria-labelledby="this-month">
              <h2 id="this-month">Tokens this month</h2>
              <p className="figure">
                <strong>{formatCount(data.remaining)}</strong> left of {formatCount(data.limit)}
              </p>
              <Meter label="Tokens used this month" value={data.used} max={data.limit} />
              <p className="fine">The count starts again on {formatDay(data.resets_at)}.</p>
              <SpendForm onSpent={spent} />
            </section>
            <section className="panel" aria-labelledby="months">
              <h2 id="months">Month by month</h2>
              <MonthlyBars history={data.history} />
            </section>
          </>
        )}
      </Loaded>
      <Loaded resource={subscription}>{(data) => <Plan use={data} />}</Loaded>
    </>
  );
}

function Plan({ use: { plan, status, limits, used, plans } }: { use: Schemas["PlanUseOut"] }) {
  return (
    <section className="panel" aria-labelledby="plan">
      <h2 id="plan">
        Plan <span className="pill pill-strong">{plan}</span>{" "}
        {status !== "active" && <span className="pill">{status.replace("_", " ")}</span>}
      </h2>
      <div className="meters">
        <Quota label="Campaigns" used={used.campaigns} limit={limits.campaigns} />
        <Quota label="API keys" used={used.api_keys} limit={limits.api_keys} />
      </div>
      <table>
        <caption>What each plan allows</caption>
        <thead>
          <tr>
            <th scope="col">Plan</th>
            <th scope="col">Tokens a month</th>
            <th scope="col">Campaigns</th>
            <th scope="col">API keys</th>
          </tr>
        </thead>
        <tbody>
          {plans.map((one) => (
            <tr key={one.plan} aria-current={one.plan === plan || undefined}>
              <th scope="row">{one.plan}</th>
              <td>{formatCount(one.tokens_a_month)}</td>
              <td>{one.campaigns === null ? "any" : formatCount(one.campaigns)}</td>
              <td>{formatCount(one.api_keys)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Quota({ label, used, limit }: { label: string; used: number; limit: number | null }) {
  return (
    <div>
      <p className="meter-title">
        <span>{label}</span>
        <span>{limit === null ? formatCount(used) : `${formatCount(used)} of ${formatCount(limit)}`}</span>
      </p>
      {limit !== null && <Meter label={label} value={used} max={limit} />}
    </div>
  );
}
