"""The JSON Schema of campaign files."""

from __future__ import annotations

import json

from msgen.orchestrator.schema.campaign import Campaign


def json_schema() -> str:
    """The JSON Schema of campaign files, as `configs/campaign.schema.json` holds it."""
    schema = Campaign.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=1, ensure_ascii=False)
