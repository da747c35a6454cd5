"""Campaigns and their templates: the example of a resource."""
