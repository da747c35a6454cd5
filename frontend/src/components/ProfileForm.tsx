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
  const [isSaved, setIsSaved] = useState(false);
  const save = useAction(async ({ api }, body: Schemas["ProfileIn"]) => {
    onSaved((await api.patch("/api/me", { body })).data);
    setIsSaved(true);
  });
  const errors = fieldErrors(save.error);

  function submit(event: FormEvent<HTMLFormElement>) {
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim() || null;
    const links = Object.keys(NETWORKS).flatMap((network) => {
      const link = text(network);
      return link ? [[network, link] as const] : [];
    });
    setIsSaved(false);
    save.run({ bio: text("bio"), website: text("website"), social_links: Object.fromEntries(links) });
  }

  return (
    <section className="panel" aria-labelledby="profile">
      <h2 id="profile">Profile</h2>
      <Form onSubmit={submit} error={save.error}>
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
        <FailureNotice error={save.error} retry={save.retry} />
        <div className="actions">
          <button type="submit" className="primary" aria-disabled={save.isBusy}>
            {save.isBusy ? "Saving …" : "Save profile"}
          </button>
          <p role="status" className="fine">
            {isSaved && !save.isBusy && "Saved."}
          </p>
        </div>
      </Form>
    </section>
  );
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
