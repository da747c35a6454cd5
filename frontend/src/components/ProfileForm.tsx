import { useState, type FormEvent } from "react";
import type { Schemas } from "../api/client";
import { fieldErrors } from "../api/failures";
import { useAction } from "../hooks/useAction";
import { FailureNotice } from "./FailureNotice";
import { TextArea, TextField } from "./Field";
import { Form } from "./Form";

const NETWORKS = {
  bluesky: "Bluesky",
  discord: "Discord",
  facebook: "Facebook",
  github: "GitHub",
  gitlab: "GitLab",
  instagram: "Instagram",
  linkedin: "LinkedIn",
  mastodon: "Mastodon",
  threads: "Threads",
  tiktok: "TikTok",
  twitch: "Twitch",
  x: "X",
  youtube: "YouTube",
};

type Network = keyof typeof NETWORKS;
type Props = { user: Schemas["UserOut"]; onSaved: (account: Schemas["AccountOut"]) => void };

/** What users write about themselves. The backend alone says what is right. */
export function ProfileForm({ user, onSaved }: Props) {
  const [said, setSaid] = useState("");
  const save = useAction(async ({ api }, body: Schemas["ProfileIn"]) => {
    const isChanged = Object.keys(body).length > 0;
    if (isChanged) onSaved((await api.patch("/api/me", { body })).data);
    setSaid(isChanged ? "Saved." : "Nothing to save.");
  });
  const errors = fieldErrors(save.error);

  function submit(event: FormEvent<HTMLFormElement>) {
    setSaid("");
    save.run(changesOf(user, new FormData(event.currentTarget)));
  }

  return (
    <section className="panel" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      <Form action={save} onSubmit={submit}>
        <TextArea label="Bio" name="bio" defaultValue={user.bio ?? ""} error={errors["bio"]} />
        <TextField
          label="Website"
          name="website"
          type="url"
          hint="Begins with https:// or http://."
          defaultValue={user.website ?? ""}
          error={errors["website"]}
        />
        <SocialLinks links={user.social_links} errors={errors} />
        <FailureNotice error={save.error} retry="submit" />
        <div className="actions">
          <button type="submit" className="primary" aria-disabled={save.isBusy}>
            {save.isBusy ? "Saving …" : "Save profile"}
          </button>
          <p role="status" className="fine">
            {said}
          </p>
        </div>
      </Form>
    </section>
  );
}

/** For PATCH: what was not changed here may have been changed in another tab. */
function changesOf({ bio, website, social_links }: Schemas["UserOut"], form: FormData): Schemas["ProfileIn"] {
  const text = (name: string) => trimmed(form.get(name) as string | null);
  const networks = Object.keys(NETWORKS);
  const links = networks.flatMap((network) => {
    const link = text(network);
    return link ? [[network, link] as const] : [];
  });
  return {
    ...(text("bio") !== trimmed(bio) && { bio: text("bio") }),
    ...(text("website") !== website && { website: text("website") }),
    ...(networks.some((network) => text(network) !== (social_links[network] ?? null)) && {
      social_links: Object.fromEntries(links),
    }),
  };
}

function trimmed(text: string | null): string | null {
  return text?.trim() || null;
}

type LinksProps = { links: Record<string, string>; errors: Record<string, string> };

function SocialLinks({ links, errors }: LinksProps) {
  const [added, setAdded] = useState<Network[]>([]);
  const all = Object.keys(NETWORKS) as Network[];
  const shown = all.filter((network) => network in links || added.includes(network));
  const others = all.filter((network) => !shown.includes(network));
  return (
    <fieldset>
      <legend>Social links</legend>
      {shown.map((network) => (
        <TextField
          key={network}
          label={NETWORKS[network]}
          name={network}
          type="url"
          autoFocus={added.at(-1) === network}
          defaultValue={links[network] ?? ""}
          error={errors[`social_links.${network}`]}
        />
      ))}
      <select
        aria-label="Add a social link"
        value=""
        onChange={(event) => setAdded([...added, event.target.value as Network])}
      >
        <option value="">Add a link …</option>
        {others.map((network) => (
          <option key={network} value={network}>
            {NETWORKS[network]}
          </option>
        ))}
      </select>
      {errors["social_links"] && <p className="field-error">{errors["social_links"]}</p>}
      <p className="fine">They begin with https://. Empty one to remove it.</p>
    </fieldset>
  );
}
