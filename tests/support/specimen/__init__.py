"""A resource as a product would have one: the application is tested with it, whatever resources the product has.

`python -m development.new_resource` begins a resource of the application with these files.
"""
