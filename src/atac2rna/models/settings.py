"""Settings of a model: a frozen pydantic model that refuses unknown keys."""

from pydantic import BaseModel, ConfigDict


class ModelSettings(BaseModel):
    """Base of every model's settings; a model without any uses it as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
