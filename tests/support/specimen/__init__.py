"""A resource as a product would have one: the application is tested with it, whatever resources the product has.

docs/make-it-yours.md shows these files under another name, and a test puts them into a copy of the project.
"""
