"""The history of the schema. Revisions hold literal SQL and never import the models, which go on changing."""
