import type { ReactNode } from "react";
import { isNotFound } from "../api/failures";
import type { Resource } from "../hooks/useResource";
import { FailureNotice } from "./FailureNotice";

type Props<T> = { resource: Resource<T>; missing?: string; children: (data: T) => ReactNode };

/** A part of a page with its data: loading, failed or there. Of what the API does not have, `missing` is all that is said. */
export function Loaded<T>({ resource, missing, children }: Props<T>) {
  const { data, error, reload } = resource;
  if (isNotFound(error)) return missing && <p className="empty">{missing}</p>;
  return (
    <>
      <FailureNotice error={error} retry={reload} />
      {data !== undefined && children(data)}
      {data === undefined && error === undefined && (
        <p className="loading" role="status">
          Loading …
        </p>
      )}
    </>
  );
}
