import { useRef, useState } from "react";
import { hasCode } from "../api/failures";
import { changedMembers, changesOf, type Campaign, type Draft } from "../campaigns";
import { CampaignForm } from "../components/CampaignForm";
import { ConfirmButton } from "../components/ConfirmButton";
import { ConflictNotice } from "../components/ConflictNotice";
import { FailureNotice } from "../components/FailureNotice";
import { Loaded } from "../components/Loaded";
import { useAction } from "../hooks/useAction";
import { useResource } from "../hooks/useResource";
import { navigate } from "../hooks/useRoute";

const LIST = "#/campaigns";
const toList = () => navigate(LIST);

/** A new campaign, or one to change. */
export function CampaignPage({ id }: { id: string }) {
  return (
    <>
      <a href={LIST}>All campaigns</a>
      {id === "new" ? <NewCampaign /> : <ExistingCampaign id={Number(id)} />}
    </>
  );
}

function NewCampaign() {
  const create = useAction(async ({ api, idempotencyKey }, { status: _, ...body }: Draft) => {
    await api.post("/api/campaigns", { body, header: { "Idempotency-Key": idempotencyKey } });
  }, toList);
  return (
    <>
      <h1>New campaign</h1>
      <CampaignForm action={create} submitLabel="Create campaign" onSubmit={create.run} />
    </>
  );
}

type Version = { campaign: Campaign; etag: string };

function ExistingCampaign({ id }: { id: number }) {
  const path = { campaign_id: id };
  const opened = useResource<Version>(`campaign ${id}`, async (api, signal) => {
    const { data, response } = await api.get("/api/campaigns/{campaign_id}", { path, signal });
    return { campaign: data, etag: response.headers.get("ETag") ?? "" };
  });
  return (
    <>
      <h1>
        <bdi>{opened.data?.campaign.name ?? "Campaign"}</bdi>
      </h1>
      <Loaded resource={opened} missing="There is no such campaign.">
        {(version) => <Editor key={version.etag} version={version} onReload={opened.reload} />}
      </Loaded>
    </>
  );
}

type EditorProps = { version: Version; onReload: () => void };

/** Saves over the version that was opened and no other: If-Match makes the API refuse when somebody was faster. */
function Editor({ version: { campaign, etag }, onReload }: EditorProps) {
  const path = { campaign_id: campaign.campaign_id };
  const [mine, setMine] = useState<Draft | null>(null);
  const over = useRef(etag);

  const save = useAction(async ({ api, idempotencyKey }, draft: Draft) => {
    setMine(draft);
    const header = { "Idempotency-Key": idempotencyKey, "If-Match": over.current };
    await api.patch("/api/campaigns/{campaign_id}", { path, header, body: changesOf(campaign, draft) });
  }, toList);
  const remove = useAction(async ({ api, idempotencyKey }) => {
    await api.delete("/api/campaigns/{campaign_id}", { path, header: { "Idempotency-Key": idempotencyKey } });
  }, toList);
  const isConflict = hasCode(save.error, "precondition-failed") && mine !== null;

  return (
    <>
      {isConflict && (
        <ConflictNotice
          id={campaign.campaign_id}
          mine={mine}
          changed={changedMembers(campaign, mine)}
          onOverwrite={(newest) => (over.current = newest)}
          onDiscard={onReload}
        />
      )}
      <CampaignForm
        campaign={campaign}
        action={isConflict ? { isBusy: save.isBusy } : save}
        submitLabel="Save changes"
        onSubmit={save.run}
      />
      <FailureNotice error={remove.error} retry={remove.retry} />
      <p>
        <ConfirmButton
          label="Delete campaign"
          question="Delete this campaign?"
          about={campaign.name}
          isBusy={remove.isBusy}
          onConfirm={remove.run}
        />
      </p>
    </>
  );
}
