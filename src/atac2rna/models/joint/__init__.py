"""Model `joint`: the evidence of all genes together reveals the sample; docs/models.md describes it."""
