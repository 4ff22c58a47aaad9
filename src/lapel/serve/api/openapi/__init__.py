"""The OpenAPI document: built from the route table and the shapes, and shown as a page."""
