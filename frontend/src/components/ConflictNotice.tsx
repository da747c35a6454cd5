import { showMember, type Draft, type Member } from "../campaigns";
import { focusOnArrival } from "../hooks/useFocus";
import { useResource } from "../hooks/useResource";
import { FORM_ID } from "./CampaignForm";
import { Loaded } from "./Loaded";

type Props = {
  id: number;
  mine: Draft;
  changed: Member[];
  onOverwrite: (etag: string) => void;
  onDiscard: () => void;
};

/**
 * Somebody else saved in the meantime: shows both, and lets the user decide. `onOverwrite` is told over which version,
 * before the form is submitted as it stands then.
 */
export function ConflictNotice({ id, mine, changed, onOverwrite, onDiscard }: Props) {
  const newest = useResource(`newest ${id}`, async (api, signal) => {
    const { data, response } = await api.get("/api/campaigns/{campaign_id}", { path: { campaign_id: id }, signal });
    return { theirs: data, etag: response.headers.get("ETag") ?? "" };
  });
  return (
    <div ref={focusOnArrival} tabIndex={-1} className="notice notice-failure" role="alert">
      <p>
        <strong>This campaign was changed elsewhere</strong>
        <code>precondition-failed</code>
      </p>
      <p>Your changes were not saved, so that nothing gets lost. This is what you changed:</p>
      <Loaded resource={newest}>
        {({ theirs, etag }) => (
          <>
            <table>
              <thead>
                <tr>
                  <th scope="col">Value</th>
                  <th scope="col">Saved now</th>
                  <th scope="col">Yours</th>
                </tr>
              </thead>
              <tbody>
                {changed.map((member) => (
                  <tr key={member}>
                    <th scope="row">{member.replace("_", " ")}</th>
                    <td>
                      <bdi>{showMember(theirs, member)}</bdi>
                    </td>
                    <td>
                      <bdi>{showMember(mine, member)}</bdi>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            <div className="actions">
              <button type="submit" form={FORM_ID} className="primary" onClick={() => onOverwrite(etag)}>
                Save mine over it
              </button>
              <button type="button" onClick={onDiscard}>
                Discard mine
              </button>
            </div>
          </>
        )}
      </Loaded>
    </div>
  );
}
