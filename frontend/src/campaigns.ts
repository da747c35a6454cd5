import type { Schemas } from "./api/client";
import { formatMoment, formatMoney } from "./format";

export type Campaign = Schemas["CampaignOut"];
export type Status = Campaign["status"];

/** All of a campaign that its owner may set. */
export type Draft = Required<Omit<Schemas["CampaignChanges"], "status">> & { status: Status };
export type Member = keyof Draft;

const MEMBERS: Member[] = ["name", "channel", "status", "budget", "starts_at", "ends_at", "tags", "description"];

/** What each status can become by a change; restoring is another request. */
export const NEXT: Record<Status, Status[]> = {
  draft: ["active", "archived"],
  active: ["paused", "completed", "archived"],
  paused: ["active", "completed", "archived"],
  completed: ["archived"],
  archived: [],
};

/** As it is read. Times count to the minute, as they are typed. */
export function showMember(campaign: Draft | Campaign, member: Member): string {
  if (member === "budget") return campaign.budget ? formatMoney(campaign.budget) : "none";
  if (member === "tags") return campaign.tags.map((tag) => tag.toLowerCase()).join(", ") || "none";
  const value = campaign[member];
  if (!value) return "none";
  return member === "starts_at" || member === "ends_at" ? formatMoment(value) : value;
}

export function changedMembers(campaign: Campaign, draft: Draft): Member[] {
  return MEMBERS.filter((member) => showMember(campaign, member) !== showMember(draft, member));
}

/** For PATCH, which leaves alone what is not sent: so does nobody undo another's change to another member. */
export function changesOf(campaign: Campaign, draft: Draft): Schemas["CampaignChanges"] {
  return Object.fromEntries(changedMembers(campaign, draft).map((member) => [member, draft[member]]));
}
