"""The pages of docs/reference, which are generated from the code: fields, settings, metrics and reasons."""
