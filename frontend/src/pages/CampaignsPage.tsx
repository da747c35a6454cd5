import { Fragment } from "react";
import type { Campaign } from "../campaigns";
import { FailureNotice } from "../components/FailureNotice";
import { Loaded } from "../components/Loaded";
import { Pager } from "../components/Pager";
import { formatDay, formatMoney } from "../format";
import { useAction } from "../hooks/useAction";
import { usePages } from "../hooks/usePages";

const PAGE = 10;

export function CampaignsPage() {
  const { page, ...pager } = usePages("campaigns", async (api, cursor, signal) => {
    return (await api.get("/api/campaigns", { query: { limit: PAGE, cursor }, signal })).data;
  });
  const move = useAction(async ({ api, idempotencyKey }, campaign: Campaign) => {
    const request = {
      path: { campaign_id: campaign.campaign_id },
      header: { "Idempotency-Key": idempotencyKey },
    };
    if (campaign.status === "archived") await api.post("/api/campaigns/{campaign_id}/restore", request);
    else await api.post("/api/campaigns/{campaign_id}/archive", request);
    page.reload();
  });

  return (
    <>
      <div className="title">
        <h1>Campaigns</h1>
        <a className="button primary" href="#/campaigns/new">
          New campaign
        </a>
      </div>
      <FailureNotice error={move.error} retry={move.retry} />
      <Loaded resource={page} missing="This backend has no campaigns yet.">
        {({ campaigns }) =>
          campaigns.length === 0 ? (
            <p className="empty">No campaign yet. The first one starts as a draft.</p>
          ) : (
            <ul className="rows" tabIndex={-1} aria-label="Campaigns">
              {campaigns.map((campaign) => (
                <Row
                  key={campaign.campaign_id}
                  campaign={campaign}
                  isBusy={move.isBusy}
                  onMove={() => move.run(campaign)}
                />
              ))}
            </ul>
          )
        }
      </Loaded>
      <Pager {...pager} />
    </>
  );
}

type RowProps = { campaign: Campaign; isBusy: boolean; onMove: () => void };

function Row({ campaign, isBusy, onMove }: RowProps) {
  const label = campaign.status === "archived" ? "Restore" : "Archive";
  return (
    <li>
      <div className="row-text">
        <p>
          <a href={`#/campaigns/${campaign.campaign_id}`}>
            <bdi>{campaign.name}</bdi>
          </a>
          <span className="pill" data-status={campaign.status}>
            {campaign.status}
          </span>
        </p>
        <Facts campaign={campaign} />
      </div>
      <button type="button" aria-disabled={isBusy} aria-label={`${label} ${campaign.name}`} onClick={onMove}>
        {label}
      </button>
    </li>
  );
}

function Facts({ campaign: { channel, budget, starts_at, ends_at, tags } }: { campaign: Campaign }) {
  const period = [starts_at && `from ${formatDay(starts_at)}`, ends_at && `until ${formatDay(ends_at)}`];
  const facts = [channel, budget && formatMoney(budget), period.filter(Boolean).join(" ")];
  return (
    <p className="fine">
      {facts.filter(Boolean).join(" · ")}
      {tags.length > 0 && " ·"}
      {tags.map((tag) => (
        <Fragment key={tag}>
          {" "}
          <bdi>#{tag}</bdi>
        </Fragment>
      ))}
    </p>
  );
}
