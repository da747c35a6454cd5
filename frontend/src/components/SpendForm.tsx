import { useState } from "react";
import { fieldErrors } from "../api/failures";
import { formatCount } from "../format";
import { useAction } from "../hooks/useAction";
import { FailureNotice } from "./FailureNotice";
import { TextField } from "./Field";
import { Form } from "./Form";

/** Spends tokens, so that the meter is seen to move. */
export function SpendForm({ onSpent }: { onSpent: () => void }) {
  const [said, setSaid] = useState("");
  const spend = useAction(async ({ api, idempotencyKey }, amount: number) => {
    const header = { "Idempotency-Key": idempotencyKey };
    const { data } = await api.post("/api/tokens/consume", { body: { amount }, header });
    setSaid(`Spent ${formatCount(amount)}. ${formatCount(data.remaining)} left.`);
    onSpent();
  });

  return (
    <Form
      action={spend}
      onSubmit={(event) => {
        setSaid("");
        spend.run(Number(new FormData(event.currentTarget).get("amount")));
      }}
    >
      <div className="inline">
        <TextField
          label="Amount"
          name="amount"
          type="number"
          min={1}
          step={1}
          inputMode="numeric"
          defaultValue={250}
          error={fieldErrors(spend.error)["amount"]}
        />
        <button type="submit" className="primary" aria-disabled={spend.isBusy}>
          Spend tokens
        </button>
        <p role="status" className="fine">
          {said}
        </p>
      </div>
      <FailureNotice error={spend.error} retry="submit" />
    </Form>
  );
}
