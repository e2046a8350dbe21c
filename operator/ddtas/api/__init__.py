"""The three custom resources as pydantic models, and the CRDs that are generated from them."""
