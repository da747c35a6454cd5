import { useState, type FormEvent } from "react";
import { fieldErrors } from "../api/failures";
import { NEXT, type Campaign, type Draft, type Status } from "../campaigns";
import { formatMoney, fromAmount, fromLocalInput, smallestAmount, toAmount, toLocalInput } from "../format";
import { FailureNotice } from "./FailureNotice";
import { Select, TextArea, TextField } from "./Field";
import { Form } from "./Form";

const CHANNELS = [
  ["email", "E-mail"],
  ["sms", "SMS"],
  ["push", "Push"],
  ["social", "Social"],
  ["search", "Search"],
  ["display", "Display"],
] as const;

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "JPY"];

export const FORM_ID = "campaign";

type Props = {
  campaign?: Campaign;
  action: { isBusy: boolean; error?: unknown; retry?: () => void };
  submitLabel: string;
  onSubmit: (draft: Draft) => void;
};

export function CampaignForm({ campaign, action, submitLabel, onSubmit }: Props) {
  const errors = fieldErrors(action.error);
  const status = campaign?.status ?? "draft";
  const saved = campaign?.budget?.currency ?? "EUR";
  const [currency, setCurrency] = useState(saved);
  const showLimit = (minor: string) => formatMoney({ amount_minor: Number(minor), currency });
  return (
    <Form id={FORM_ID} action={action} onSubmit={(event) => onSubmit(read(event, status))}>
      <div className="panel fields">
        <TextField label="Name" name="name" required defaultValue={campaign?.name} error={errors["name"]} />
        <Select
          label="Channel"
          name="channel"
          choices={CHANNELS}
          defaultValue={campaign?.channel}
          error={errors["channel"]}
        />
        {campaign && (
          <Select
            label="Status"
            name="status"
            choices={[status, ...NEXT[status]].map((one) => [one, one])}
            defaultValue={status}
            hint={status === "archived" ? "Restore it in the list to go on with it." : undefined}
            error={errors["status"]}
          />
        )}
        <TextField
          label="Budget"
          name="amount"
          type="number"
          min={0}
          step={smallestAmount(currency)}
          inputMode="decimal"
          defaultValue={campaign?.budget ? toAmount(campaign.budget) : ""}
          error={errors["budget.amount_minor"]?.replace(/\d+$/, showLimit) ?? errors["budget"]}
        />
        <Select
          label="Currency"
          name="currency"
          choices={[...new Set([...CURRENCIES, saved])].map((one) => [one, one])}
          value={currency}
          onChange={(event) => setCurrency(event.target.value)}
          error={errors["budget.currency"]}
        />
        <TextField
          label="Starts"
          name="starts_at"
          type="datetime-local"
          defaultValue={toLocalInput(campaign?.starts_at ?? null)}
          error={errors["starts_at"]}
        />
        <TextField
          label="Ends"
          name="ends_at"
          type="datetime-local"
          defaultValue={toLocalInput(campaign?.ends_at ?? null)}
          error={errors["ends_at"]}
        />
        <TextField
          label="Tags"
          name="tags"
          hint="Separate them by commas."
          defaultValue={campaign?.tags.join(", ")}
          error={Object.entries(errors).find(([path]) => path.startsWith("tags"))?.[1]}
        />
        <TextArea
          label="Description"
          name="description"
          defaultValue={campaign?.description ?? ""}
          error={errors["description"]}
        />
      </div>
      <FailureNotice error={action.error} retry="submit" />
      <div className="actions">
        <button type="submit" className="primary" aria-disabled={action.isBusy}>
          {submitLabel}
        </button>
        <a href="#/campaigns">Cancel</a>
      </div>
    </Form>
  );
}

function read(event: FormEvent<HTMLFormElement>, status: Status): Draft {
  const form = new FormData(event.currentTarget);
  const text = (name: string) => String(form.get(name) ?? "").trim();
  return {
    name: text("name"),
    channel: text("channel") as Draft["channel"],
    status: (text("status") || status) as Status,
    budget: text("amount") ? (fromAmount(text("amount"), text("currency")) as Draft["budget"]) : null,
    starts_at: fromLocalInput(text("starts_at")),
    ends_at: fromLocalInput(text("ends_at")),
    tags: text("tags")
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
    description: text("description") || null,
  };
}
