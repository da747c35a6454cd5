"""What campaigns and templates have in common, as clients send and see it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, WithJsonSchema, model_validator

from backend.schemas.base import Input
from backend.schemas.fields import Line, Omittable, Text, unique_items
from backend.services.campaigns.campaigns import Campaign
from backend.services.campaigns.templates import Template

MOST_TAGS = 20
LONGEST_TAG = 50
MOST_MINOR_UNITS = 10**15

# ISO 4217, list one, without metals, test codes and units of account.
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
    PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - to be compared with the published list
)

Channel = Literal["email", "sms", "push", "social", "search", "display"]


def _fold_tag(tag: str) -> str:
    folded = tag.lower()
    if len(folded) > LONGEST_TAG:  # also: a letter may become two
        raise ValueError(f"a tag has at most {LONGEST_TAG} characters")
    return folded


def _check_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be a currency of ISO 4217, like EUR")
    return code


Tag = Annotated[Line, StringConstraints(max_length=LONGEST_TAG), AfterValidator(_fold_tag)]
Tags = Annotated[
    list[Tag], Field(max_length=MOST_TAGS), *unique_items("a tag stands twice; letter case makes no difference")
]
Currency = Annotated[
    str, AfterValidator(_check_currency), WithJsonSchema({"type": "string", "enum": sorted(CURRENCIES)})
]


class Budget(Input):
    """An amount of money in the smallest unit of its currency."""

    amount_minor: int = Field(ge=0, le=MOST_MINOR_UNITS)
    currency: Currency


class PresetChanges(Input):
    """The members to set. A budget is set as a whole."""

    name: Omittable[Line] = None
    description: Text | None = None
    channel: Omittable[Channel] = None
    budget: Budget | None = None
    tags: Omittable[Tags] = None

    @property
    def columns(self) -> dict[str, Any]:
        """The values that were sent, by column. What was not sent stays as it is."""
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        if "budget" in sent:
            budget: Budget | None = sent.pop("budget")
            sent["budget_minor"] = budget and budget.amount_minor
            sent["budget_currency"] = budget and budget.currency
        return sent


# Not as strict as Budget: a currency may go out of use after it was stored.
class BudgetOut(BaseModel):
    amount_minor: int = Field(validation_alias="budget_minor")
    currency: str = Field(validation_alias="budget_currency")


class PresetOut(BaseModel):
    name: str
    description: str | None
    channel: Channel
    budget: BudgetOut | None
    tags: list[str]

    @model_validator(mode="before")
    @classmethod
    def _read_row(cls, row: Campaign | Template) -> dict[str, Any]:
        """The two columns of the budget are one member."""
        columns = row._asdict()
        return columns | {"budget": None if row.budget_minor is None else columns}
